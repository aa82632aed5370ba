"""Commands for projects and their Deployments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from runwright.cli import output
from runwright.cli.client import connect

app = typer.Typer(help="List projects.", no_args_is_help=True)
deployments = typer.Typer(help="List and compare deployments.", no_args_is_help=True)

_WAIT_SECONDS = 30
Name = Annotated[str, typer.Argument(help="The project's name.")]


def deploy(
    path: Annotated[Path, typer.Argument(help="The project's folder.")],
    project: Annotated[str, typer.Option(help="Name of the project to deploy to.")],
) -> None:
    """Upload a project and make it current, all or nothing."""
    # Imported here: it would slow down every other command.
    from runwright.cli import bundle

    packed = bundle.pack(path)
    client = connect()
    found = client.json(
        "POST",
        f"/projects/{project}/deployments",
        content=packed,
        headers={"content-type": "application/gzip"},
    )["deployment"]
    shown = 0
    while True:
        for line in found["progress"][shown:]:
            output.say(f"  {line}")
        shown = len(found["progress"])
        if found["status"] in ("ready", "failed"):
            break
        found = client.json(
            "GET",
            f"/projects/{project}/deployments/{found['id']}",
            params={"wait": _WAIT_SECONDS, "seen": shown},
        )["deployment"]
    if found["status"] == "failed":
        output.say(
            f"error: deployment {found['number']} of {project} failed; the current one stays.\n\n"
            f"{found['error']}"
        )
        raise typer.Exit(1)
    apis = ", ".join(api["name"] for api in found["apis"])
    print(f"deployed {project} (deployment {found['number']}): {apis}")


def rollback(
    project: Name,
    to: Annotated[
        int | None, typer.Option(help="Number of the deployment; defaults to the previous one.")
    ] = None,
) -> None:
    """Make an earlier deployment current again; Runs in progress finish on theirs."""
    client = connect()
    found = client.json("GET", f"/projects/{project}/deployments")
    wanted = _deployment(found, to, project)
    path = f"/projects/{project}/deployments/{wanted['id']}/current"
    print(f"deployment {client.json('POST', path)['deployment']['number']} is current")


@deployments.command("list")
def list_deployments(project: Name, as_json: output.AsJson = False) -> None:
    """List the deployments of a project, newest first."""
    found = connect().json("GET", f"/projects/{project}/deployments")
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            str(each["number"]),
            each["status"] + (" (current)" if each["id"] == found["current"] else ""),
            output.moment(each["createdAt"]),
            ", ".join(api["name"] for api in each["apis"]),
        )
        for each in found["deployments"]
    ]
    output.table(("number", "status", "created", "apis"), rows)


@deployments.command()
def diff(
    project: Name, number: Annotated[int, typer.Argument(help="The deployment's number.")]
) -> None:
    """Show what a deployment would change compared with the current one."""
    client = connect()
    wanted = _deployment(client.json("GET", f"/projects/{project}/deployments"), number, project)
    _print_difference(client.json("GET", f"/projects/{project}/deployments/{wanted['id']}/diff"))


@app.command("list")
def list_projects(as_json: output.AsJson = False) -> None:
    """List the projects of the workspace."""
    found = connect().json("GET", "/projects")["projects"]
    if as_json:
        output.as_json(found)
        return
    rows: list[tuple[str, str, str]] = []
    for each in found:
        current: dict[str, Any] = each["deployment"] or {"number": "none", "apis": []}
        apis = ", ".join(api["name"] for api in current["apis"])
        rows.append((each["name"], str(current["number"]), apis))
    output.table(("name", "deployment", "apis"), rows)


def _deployment(found: dict[str, Any], number: int | None, project: str) -> dict[str, Any]:
    ready = [each for each in found["deployments"] if each["status"] == "ready"]
    current = next((each["number"] for each in ready if each["id"] == found["current"]), 0)
    fitting = [
        each
        for each in ready
        if (each["number"] == number if number is not None else each["number"] < current)
    ]
    if not fitting:
        which = (
            "ready one before the current one"
            if number is None
            else f"ready one with number {number}"
        )
        output.say(f"error: {project} has no deployment to choose: there is no {which}")
        raise typer.Exit(1)
    return fitting[0]


def _print_difference(found: dict[str, Any]) -> None:
    lines = [f"+ {name}" for name in found["added"]]
    lines += [f"- {name}" for name in found["removed"]]
    lines += [f"~ {name}: different schema" for name in found["changed"]]
    lines += [f"~ {name}: {one} → {two}" for name, (one, two) in found["settings"].items()]
    lines += [f"+ requires {each}" for each in found["packagesAdded"]]
    lines += [f"- requires {each}" for each in found["packagesRemoved"]]
    print("\n".join(lines) or "no differences")
