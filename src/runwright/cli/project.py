"""Commands about projects."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from runwright.cli import bundle
from runwright.cli.client import connect

_WAIT_SECONDS = 30


def deploy(
    path: Annotated[Path, typer.Argument(help="The project's folder.")],
    project: Annotated[str, typer.Option(help="Name of the project to deploy to.")],
) -> None:
    """Upload a project and make it current, all or nothing."""
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
            print(f"  {line}", file=sys.stderr)
        shown = len(found["progress"])
        if found["status"] in ("ready", "failed"):
            break
        found = client.json(
            "GET",
            f"/projects/{project}/deployments/{found['id']}",
            params={"wait": _WAIT_SECONDS, "seen": shown},
        )["deployment"]
    if found["status"] == "failed":
        print(
            f"error: deployment {found['number']} of {project} failed; what was current stays.\n",
            file=sys.stderr,
        )
        print(found["error"], file=sys.stderr)
        raise typer.Exit(1)
    apis = ", ".join(api["name"] for api in found["apis"])
    print(f"deployed {project} (deployment {found['number']}): {apis}")
