"""`runwright doctor`: what is wrong with this machine or the server, and what to do."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path
from typing import Annotated, Any

import typer

from runwright import config
from runwright.cli import output
from runwright.cli.client import Client, Refused, connect
from runwright.errors import ConfigError

_PROJECT = "runwright-doctor"
_SOURCE = (
    "async def automation(page, params):\n"
    "    await page.goto('data:text/html,<h1>well</h1>')\n"
    "    return await page.locator('h1').inner_text()\n"
)
_MARKS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL"}
_WAIT_SECONDS = 30


def doctor(
    run: Annotated[
        bool,
        typer.Option("--run", help=f"Deploy the project `{_PROJECT}` and execute a Run of it."),
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="The data directory.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """Check browsers, fonts, disk, memory, database, clock and server; exit with 1 if a check fails."""
    settings = config.read(data_dir=None if data_dir is None else data_dir.absolute())
    found = asyncio.run(_examine(settings, as_json=as_json))
    for name, check in (("server", _server), ("run", _run if run else None)):
        if check is not None:
            found.append(_try(name, check, settings.data_dir))
            if not as_json:
                _show(found[-1])
    if as_json:
        output.as_json(found)
    if any(each["state"] == "failure" for each in found):
        raise typer.Exit(1)


async def _examine(settings: config.Settings, *, as_json: bool) -> list[dict[str, str]]:
    # Imported here: the database driver would slow down every other command.
    from runwright.execution.diagnostics import checks

    found: list[dict[str, str]] = []
    async for finding in checks.run(settings):
        found.append(_finding(finding.name, finding.state.value, finding.message, finding.remedy))
        if not as_json:
            _show(found[-1])
    return found


def _try(name: str, check: Any, data_dir: Path) -> dict[str, str]:
    try:
        return check(connect(data_dir))
    except ConfigError:
        state = "warning" if name == "server" else "failure"
        return _finding(name, state, "no server is configured", "start `runwright serve`")
    except Refused as error:
        return _finding(name, "failure", str(error), "check the server's log")


def _server(client: Client) -> dict[str, str]:
    import httpx2

    origin = client.base.split("/api/")[0]
    try:
        answer = client.http.get(f"{origin}/readyz")
    except httpx2.HTTPError as error:
        return _finding(
            "server", "failure", f"cannot reach {origin}: {error}", "start `runwright serve`"
        )
    if answer.is_success:
        return _finding("server", "ok", f"{origin} is ready", "")
    reasons = "; ".join(answer.json()["reasons"])
    return _finding("server", "failure", f"{origin} is not ready: {reasons}", "")


def _run(client: Client) -> dict[str, str]:
    path = f"/projects/{_PROJECT}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("api/check.py")
        member.size = len(_SOURCE)
        archive.addfile(member, io.BytesIO(_SOURCE.encode()))
    headers = {"content-type": "application/gzip"}
    sent = client.json("POST", f"{path}/deployments", content=packed.getvalue(), headers=headers)
    deployed = sent["deployment"]
    while deployed["status"] not in ("ready", "failed"):
        waiting = {"wait": _WAIT_SECONDS, "seen": 1000}
        found = client.json("GET", f"{path}/deployments/{deployed['id']}", params=waiting)
        deployed = found["deployment"]
    if deployed["status"] == "failed":
        return _finding("run", "failure", f"the deploy failed: {deployed['error']}", "")
    body: dict[str, Any] = {"api": "check", "parameters": {}, "requestTimeout": 60}
    run_id = client.json("POST", f"{path}/run/start", json=body)["runId"]
    result: dict[str, Any] = {"status": "pending"}
    while result["status"] in ("pending", "started"):
        result = client.json("GET", f"{path}/run/{run_id}/result", params={"wait": _WAIT_SECONDS})
    if result.get("result") != "well":
        return _finding("run", "failure", json.dumps(result), f"runwright logs {run_id}")
    return _finding("run", "ok", f"run {run_id} completed", "")


def _finding(name: str, state: str, message: str, remedy: str) -> dict[str, str]:
    return {"name": name, "state": state, "message": message, "remedy": remedy}


def _show(found: dict[str, str]) -> None:
    print(f"{_MARKS[found['state']]}  {found['name']}: {found['message']}")
    if found["remedy"]:
        print(f"      -> {found['remedy']}")
