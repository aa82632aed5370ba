"""The command that opens the dashboard, signed in."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from runwright.cli.client import connect


def open_dashboard(
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the link instead of opening a browser.")
    ] = False,
) -> None:
    """Open the dashboard, signed in with the command line's API key."""
    client = connect()
    found = client.json("POST", "/sign-in-links")
    link = f"{client.base.split('/api/v1/')[0]}{found['path']}"
    if only_print or not webbrowser.open(link):
        print(link)
