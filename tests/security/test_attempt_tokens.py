"""What an Attempt's token opens: its own project's stores, until the Attempt ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
from helpers.server import RunwrightServer, eventually

_PROJECT = {
    "api/tells.py": (
        "import asyncio, json, os, pathlib\n"
        "async def automation(page, params):\n"
        "    names = ('FUNCTIONS_DOMAIN', 'INTUNED_WORKSPACE_ID', 'INTUNED_PROJECT_ID', 'INTUNED_AUTH_TOKEN')\n"
        "    file = pathlib.Path(params['file'])\n"
        "    file.with_suffix('.part').write_text(json.dumps({each: os.environ[each] for each in names}))\n"
        "    file.with_suffix('.part').rename(file)\n"
        "    while not pathlib.Path(params['file'] + '.go').exists():\n        await asyncio.sleep(0.05)\n"
        "    raise ValueError('again')\n"
    )
}


def _told(
    server: RunwrightServer, project: str, file: Any, **more: Any
) -> tuple[str, dict[str, str]]:
    """Start a Run and return its id and what its Attempt was told, while that goes on."""
    server.deploy(project, _PROJECT)
    run_id = server.start(project, "tells", {"file": str(file)}, **more)
    eventually(file.exists)
    return run_id, json.loads(file.read_text())


def _store(told: dict[str, str], *, project_id: str | None = None, token: str | None = None) -> int:
    base = f"{told['FUNCTIONS_DOMAIN']}/api/{told['INTUNED_WORKSPACE_ID']}/functions"
    url = f"{base}/{project_id or told['INTUNED_PROJECT_ID']}/kv-store/k"
    headers = {"authorization": f"Bearer {token or told['INTUNED_AUTH_TOKEN']}"}
    return httpx2.put(url, json={"value": 1}, headers=headers, timeout=60).status_code


def test_a_token_is_good_for_its_own_project_while_its_attempt_goes_on(
    server: RunwrightServer, tmp_path: Any
) -> None:
    run_id, told = _told(server, "tokens-a", tmp_path / "a")
    other_id, other = _told(server, "tokens-b", tmp_path / "b")
    own, _, signature = told["INTUNED_AUTH_TOKEN"].rpartition(".")
    bad: list[Callable[[], int]] = [
        lambda: _store(told, token=f"{own}.{signature[:-2]}aa"),
        lambda: _store(told, token=f"{other_id}.1.{signature}"),
        lambda: _store(told, token=f"{run_id}.2.{signature}"),
        lambda: _store(told, token=server.api_key),
        lambda: _store(told, token=f"{run_id}.1."),
        lambda: _store(told, token="..."),
    ]

    during = [_store(told), _store(told, project_id=other["INTUNED_PROJECT_ID"])]
    forged = [each() for each in bad]
    for name in ("a.go", "b.go"):
        (tmp_path / name).touch()
    for project, each in (("tokens-a", run_id), ("tokens-b", other_id)):
        assert server.result(project, each)["status"] == "failed"
    afterwards = [_store(told), _store(other)]

    assert during == [200, 403]
    assert forged == [401] * len(bad)
    assert afterwards == [401, 401]


def test_a_token_is_worth_nothing_between_two_attempts(tmp_path: Any) -> None:
    from helpers.server import serving

    with serving(tmp_path / "data", RUNWRIGHT_RETRY_DELAY="30") as server:
        retry = {"maximumAttempts": 2}
        run_id, told = _told(server, "p", tmp_path / "a", retry=retry)
        assert _store(told) == 200
        (tmp_path / "a.go").touch()
        eventually(lambda: server.detail(run_id)["attempts"][0]["status"] == "failed")

        assert server.detail(run_id)["status"] == "started"
        assert _store(told) == 401
