"""Commands for AuthSessions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from runwright.cli import output
from runwright.cli.client import Client, connect
from runwright.cli.commands.runs import read_parameters
from runwright.domain.text import strict_json
from runwright.errors import ConfigError

app = typer.Typer(
    help="Create, check and remove the signed-in sessions that Runs use.", no_args_is_help=True
)

Project = Annotated[str, typer.Argument(help="The project's name.")]
SessionId = Annotated[str, typer.Argument(help="The session's id.")]
Params = Annotated[
    str, typer.Option(help="Parameters for `create`: JSON, @FILE, or - for standard input.")
]
_PATIENCE_SECONDS = 30


@app.command("list")
def list_sessions(project: Project, as_json: output.AsJson = False) -> None:
    """List the sessions of a project."""
    found = connect().json("GET", f"/projects/{project}/auth-sessions")
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("session", "type", "status", "declared by", "last good check"),
        [
            (
                each["id"],
                each["type"],
                each["status"],
                each["source"].lower(),
                output.moment(each["checkedAt"]),
            )
            for each in found
        ],
    )


@app.command()
def show(project: Project, session_id: SessionId) -> None:
    """Print a session as JSON, without its secrets."""
    output.as_json(connect().json("GET", f"/projects/{project}/auth-sessions/{session_id}"))


@app.command()
def create(
    project: Project,
    session_id: Annotated[str | None, typer.Argument(help="Its id; generated if omitted.")] = None,
    params: Params = "-",
) -> None:
    """Create a session: sign in with parameters, and keep them sealed for signing in again."""
    body: dict[str, Any] = {"parameters": read_parameters(params)}
    if session_id is not None:
        body["id"] = session_id
    _operate(connect(), project, "create", "create", body)


@app.command()
def update(project: Project, session_id: SessionId, params: Params = "-") -> None:
    """Give a session new parameters; the old ones stay if signing in with the new ones fails."""
    body = {"parameters": read_parameters(params)}
    _operate(connect(), project, f"{session_id}/update", f"{session_id}/update", body)


@app.command()
def validate(
    project: Project,
    session_id: SessionId,
    only_check: Annotated[
        bool, typer.Option("--only-check", help="Do not sign in again when the check fails.")
    ] = False,
) -> None:
    """Check a session, and sign in again if it is no longer valid."""
    path = f"{session_id}/validate"
    _operate(connect(), project, f"{path}/start", path, {"autoRecreate": not only_check})


@app.command()
def upload(
    project: Project,
    state: Annotated[Path, typer.Argument(help="A Playwright storage state, as JSON.")],
    session_id: Annotated[str | None, typer.Argument(help="Its id; generated if omitted.")] = None,
) -> None:
    """Create a session from the state of a browser in which a person has signed in."""
    try:
        value = strict_json.read(state.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {state} as JSON: {error}") from error
    body = {"storageState": value, **({} if session_id is None else {"id": session_id})}
    made = connect().json("POST", f"/projects/{project}/auth-sessions", json=body)
    print(made["id"])


@app.command()
def delete(project: Project, session_id: SessionId) -> None:
    """Remove a session and cancel its operation, if one is in progress."""
    connect().call("DELETE", f"/projects/{project}/auth-sessions/{session_id}")
    print(f"removed {session_id}")


def _operate(client: Client, project: str, start: str, result: str, body: dict[str, Any]) -> None:
    """Start an operation, wait for it to end, and print the session's id."""
    base = f"/projects/{project}/auth-sessions"
    operation = client.json("POST", f"{base}/{start}", json=body)["operationId"]
    output.say(f"— operation {operation}")
    said = None
    while True:
        path = f"{base}/{result}/{operation}/result"
        found = client.json("GET", path, params={"wait": _PATIENCE_SECONDS})
        if found["status"] == "done":
            print(found["authSessionId"])
            return
        if found["status"] in ("failed", "canceled"):
            print(f"error: the operation {found['status']}: {found['message']}", file=sys.stderr)
            raise typer.Exit(1)
        if (part := found.get("runId")) not in (None, said):
            said = part
            output.say(f"— {found['status']}; its log: runwright logs {part}")
