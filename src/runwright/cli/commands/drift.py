"""Commands for drift: results that deviate from the usual."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from runwright.cli import output
from runwright.cli.client import connect

app = typer.Typer(
    help="See which results deviate from the usual, and accept the new ones.", no_args_is_help=True
)

Project = Annotated[str, typer.Argument(help="The project's name.")]
Api = Annotated[str, typer.Argument(help="The Api's name.")]


@app.command("list")
def list_profiles(project: Project, as_json: output.AsJson = False) -> None:
    """List the state of each Api's results."""
    found = connect().json("GET", f"/projects/{project}/drift")["apis"]
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            each["api"],
            _state(each),
            each["latestRunId"] or "",
            output.moment(each["latestAt"]),
            "" if each["latestDrift"] is None else each["latestDrift"]["message"],
        )
        for each in found
    ]
    output.table(("api", "state", "last marked", "at", "why"), rows)


@app.command()
def off(project: Project, api: Api) -> None:
    """Stop watching the results of an Api."""
    _watch(project, api, is_watched=False)


@app.command()
def on(project: Project, api: Api) -> None:
    """Watch the results of an Api again, relearning what is usual."""
    _watch(project, api, is_watched=True)


@app.command()
def accept(project: Project, api: Api) -> None:
    """Accept the recent results of an Api as the usual ones."""
    connect().json("POST", f"/projects/{project}/drift/accept", json={"api": api})
    print(f"{api}: accepted")


def _watch(project: str, api: str, *, is_watched: bool) -> None:
    body = {"api": api, "isWatched": is_watched}
    connect().json("PUT", f"/projects/{project}/drift", json=body)
    print(f"{api}: {'on' if is_watched else 'off'}")


def _state(profile: dict[str, Any]) -> str:
    if not profile["isWatched"]:
        return "off"
    if profile["driftedInARow"]:
        return f"drifting, {profile['driftedInARow']} in a row"
    if profile["knownRuns"] < profile["neededRuns"]:
        return f"learning, {profile['knownRuns']} of {profile['neededRuns']}"
    return "as usual"
