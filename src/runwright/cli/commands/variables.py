"""Commands for variables."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runwright.cli import output
from runwright.cli.client import connect

app = typer.Typer(
    help="Set and unset the environment variables that automations see.", no_args_is_help=True
)

Project = Annotated[
    str | None, typer.Option(help="Only this project's; defaults to the whole workspace's.")
]
Name = Annotated[str, typer.Argument(help="The variable's name.")]


@app.command("set")
def put(
    name: Name,
    value: Annotated[
        str | None, typer.Argument(help="Its value; read from standard input if omitted.")
    ] = None,
    project: Project = None,
) -> None:
    """Set a variable; it is sealed and never shown again."""
    text = sys.stdin.read().rstrip("\n") if value is None else value
    connect().call("PUT", f"{_base(project)}/{name}", json={"value": text})
    print(f"set {name}")


@app.command()
def unset(name: Name, project: Project = None) -> None:
    """Unset a variable."""
    connect().call("DELETE", f"{_base(project)}/{name}")
    print(f"unset {name}")


@app.command("list")
def list_variables(project: Project = None, as_json: output.AsJson = False) -> None:
    """List the variables that are set, without their values."""
    found = connect().json("GET", _base(project))["variables"]
    if as_json:
        output.as_json(found)
        return
    rows = [(each["name"], output.moment(each["updatedAt"])) for each in found]
    output.table(("name", "set"), rows)


def _base(project: str | None) -> str:
    return "/variables" if project is None else f"/projects/{project}/variables"
