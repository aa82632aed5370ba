"""Commands for project authors: init, check, dev, replay. None needs a server, except replay for the recording."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from runwright import config
from runwright.cli import output, templates
from runwright.cli.commands.runs import read_parameters
from runwright.domain.auth_sessions import is_session_id
from runwright.errors import ConfigError

Folder = Annotated[Path, typer.Option("--folder", help="The project's folder.")]
_LOOK_SECONDS = 0.3
_SESSION_FILES = ("auth-sessions/create", "auth-sessions/check")


def init(
    path: Annotated[
        Path, typer.Argument(help="Folder to create; it must not exist or must be empty.")
    ],
    template: Annotated[str, typer.Option(help="scraper, sign-in, form or download.")] = "scraper",
) -> None:
    """Create a new project."""
    made = templates.write(path, template)
    for file in made:
        output.say(f"  {file}")
    api = templates.API_OF[template]
    print(f"created {path}; try it: runwright dev {api} --folder {path}")


def check(path: Annotated[Path, typer.Argument(help="The project's folder.")] = Path()) -> None:
    """Run all checks of a deploy without deploying."""
    apis = asyncio.run(_check(path.absolute()))
    print(f"{path} can be deployed: {', '.join(apis)}")


def dev(
    api: Annotated[str, typer.Argument(help="The API, such as `rows` or `folder/name`.")],
    folder: Folder = Path(),
    params: Annotated[
        str | None,
        typer.Option(help="Parameters: JSON, @FILE, or -; defaults to the project's first sample."),
    ] = None,
    headed: Annotated[bool, typer.Option("--headed", help="Show the browser.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Record a trace and open it.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Run again on every save.")] = False,
    auth_session: Annotated[
        str | None,
        typer.Option(help="A local session: created by `auth-sessions/create`, then used."),
    ] = None,
) -> None:
    """Run one API, `auth-sessions/create` or `auth-sessions/check` locally, on the same runner as in production."""
    root = folder.absolute()
    while True:
        before = _stamp(root)
        parameters = read_parameters(params) if params is not None else _sample(root, api)
        is_done = asyncio.run(
            _run(
                root,
                {"api": api, "parameters": parameters, "trace": trace, "session": auth_session},
                is_headed=headed,
            )
        )
        if not watch:
            if not is_done:
                raise typer.Exit(1)
            return
        output.say("— waiting for a change")
        pause = threading.Event()
        while _stamp(root) == before:
            pause.wait(_LOOK_SECONDS)


def replay(
    run_id: Annotated[str, typer.Argument(help="A Run that was started with `saveHar`.")],
    folder: Folder = Path(),
    headed: Annotated[bool, typer.Option("--headed", help="Show the browser.")] = False,
) -> None:
    """Run a Run's API again on this machine, offline, against its recorded network traffic."""
    # Imported here: it would slow down every other command.
    from runwright.cli.client import connect

    client = connect()
    found = client.json("GET", f"/runs/{run_id}")
    recordings = [each for each in found["files"] if each["kind"] == "har"]
    if not recordings:
        output.say(
            f"error: run {run_id} has no recorded network traffic: start it with `saveHar: true`"
        )
        raise typer.Exit(1)
    with tempfile.TemporaryDirectory() as directory:
        recording = Path(directory) / "network.har.zip"
        path = f"/projects/{found['project']}/run/{run_id}/files/{recordings[-1]['id']}"
        recording.write_bytes(client.call("GET", path).content)
        asked = {
            "api": found["api"],
            "parameters": found["parameters"],
            "trace": False,
            "har": str(recording),
        }
        if not asyncio.run(_run(folder.absolute(), asked, is_headed=headed)):
            raise typer.Exit(1)


async def _check(root: Path) -> list[str]:
    from runwright.execution.local import local

    async with local.opened(_settings(root), root, _report, is_headed=False) as project:
        return [api.name for api in await project.inspect(_report)]


async def _run(root: Path, asked: dict[str, Any], *, is_headed: bool) -> bool:
    """Run one Attempt and print its result; True when there is one."""
    import json

    from runwright import protocol
    from runwright.execution.local import env_file, local

    async with local.opened(_settings(root), root, _report, is_headed=is_headed) as project:
        start = protocol.Start(
            run_id="local",
            attempt=1,
            api=asked["api"],
            parameters=asked["parameters"],
            save_trace=asked["trace"],
            replay_har=asked.get("har"),
            environment=env_file.read(root / ".env"),
            kind=_kind(asked["api"]),
            auth_session_id=asked.get("session"),
            auth_state=_local_state(root, asked),
        )
        found = await project.run(start, output.say, root / ".runwright" / "files")
    for file in found.files:
        output.say(f"— kept {file}")
    _keep_state(root, asked, found.ended.auth_state)
    failure = found.ended.failure
    if failure is not None or found.ended.result is None:
        message = "it was canceled" if failure is None else failure.message
        traceback = "" if failure is None else failure.details.get("traceback", "")
        output.say(f"error: {message}\n{traceback}")
    else:
        output.as_json(json.loads(found.ended.result))
    if asked["trace"]:
        await _show_trace(root / ".runwright" / "files" / "trace.zip")
    return failure is None


async def _show_trace(file: Path) -> None:
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "playwright", "show-trace", str(file)
    )
    await process.wait()


async def _report(line: str) -> None:
    output.say(f"  {line}")


def _settings(root: Path) -> config.Settings:
    return config.read(data_dir=root / ".runwright" / "local")


def _kind(api: str) -> str:
    return api.removeprefix("auth-sessions/") if api in _SESSION_FILES else "api"


def _local_state(root: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The state of the local session; None for `create`, which starts without one.

    Raises:
        ConfigError: there is no such session here.
    """
    import json

    if asked.get("session") is None or asked["api"] == _SESSION_FILES[0]:
        return None
    file = _state_file(root, asked["session"])
    if not file.is_file():
        raise ConfigError(
            f"There is no local session `{asked['session']}`: create it with "
            f"`runwright dev {_SESSION_FILES[0]} --auth-session {asked['session']} --params …`"
        )
    return json.loads(file.read_text(encoding="utf-8"))


def _keep_state(root: Path, asked: dict[str, Any], state: dict[str, Any] | None) -> None:
    """Save the browser's final state for the next time, readable only by its owner."""
    import json
    import os

    if state is None or asked.get("session") is None:
        return
    file = _state_file(root, asked["session"])
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(state, out, indent=2)
    output.say(f"— kept the session in {file}")


def _state_file(root: Path, session_id: str) -> Path:
    if not is_session_id(session_id):
        raise ConfigError("The name of a session may contain only letters, digits, `-` and `_`.")
    return root / "auth-sessions-instances" / session_id / "state.json"


def _sample(root: Path, api: str) -> dict[str, Any]:
    samples = sorted((root / ".parameters" / "api" / api).glob("*.json"))
    return read_parameters(f"@{samples[0]}") if samples else {}


def _stamp(root: Path) -> float:
    files = (file for file in root.rglob("*") if ".runwright" not in file.parts)
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0)
