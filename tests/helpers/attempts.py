"""Attempts that continue until released, for tests of what an Attempt may ask of the platform."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from helpers.server import RunwrightServer, eventually

WAITS = {
    "api/waits.py": (
        "import asyncio, json, os, pathlib\n"
        "async def automation(page, params):\n"
        "    names = ('FUNCTIONS_DOMAIN', 'INTUNED_WORKSPACE_ID', 'INTUNED_PROJECT_ID', 'INTUNED_AUTH_TOKEN')\n"
        "    file = pathlib.Path(params['file'])\n"
        "    file.with_suffix('.part').write_text(json.dumps({each: os.environ[each] for each in names}))\n"
        "    file.with_suffix('.part').rename(file)\n"
        "    while not pathlib.Path(params['file'] + '.go').exists():\n        await asyncio.sleep(0.05)\n"
        "    if params.get('fail'):\n        raise ValueError('it failed')\n"
        "    return 'done'\n"
    )
}
_DEPLOYED: set[tuple[str, str]] = set()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An Attempt that goes on until it is let go."""

    server: RunwrightServer
    project: str
    run_id: str
    base: str
    """The gateway's address."""
    token: str
    file: Path

    def client(self, **more: Any) -> httpx2.Client:
        """Return a client of the gateway with the Attempt's token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx2.Client(base_url=self.base, headers=headers, timeout=60, **more)

    def ask(self, path: str, body: dict[str, Any], **more: Any) -> httpx2.Response:
        """Ask a model, and return the whole answer."""
        with self.client() as client:
            return client.post(path, json=body, **more)

    def end(self) -> dict[str, Any]:
        """Let it go; return everything about its Run once that is over."""
        self.file.with_name(f"{self.file.name}.go").touch()
        self.server.result(self.project, self.run_id)
        return self.server.detail(self.run_id)


@contextmanager
def under_way(
    server: RunwrightServer, directory: Path, project: str = "waits", **parameters: Any
) -> Generator[Attempt]:
    """Begin an Attempt that waits; it is let go in the end."""
    file = directory / "told"
    if (server.url, project) not in _DEPLOYED:
        deployed = server.deploy(project, WAITS)
        assert deployed["status"] == "ready", deployed["error"]
        _DEPLOYED.add((server.url, project))
    run_id = server.start(project, "waits", {"file": str(file), **parameters})
    eventually(file.exists)
    told = json.loads(file.read_text())
    base = f"{told['FUNCTIONS_DOMAIN']}/api/{told['INTUNED_WORKSPACE_ID']}/functions/{told['INTUNED_PROJECT_ID']}"
    attempt = Attempt(
        server=server,
        project=project,
        run_id=run_id,
        base=f"{base}/intuned-ai-gateway",
        token=told["INTUNED_AUTH_TOKEN"],
        file=file,
    )
    try:
        yield attempt
    finally:
        attempt.end()
