"""Commands for API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from runwright.cli import output
from runwright.cli.client import connect

app = typer.Typer(
    help="Create, list and revoke API keys; rotate the key that seals secrets.",
    no_args_is_help=True,
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, run, deploy or admin; can be repeated.")
    ] = None,
) -> None:
    """Create a key and print it; it cannot be shown again."""
    body = {"name": name, "scopes": scope or ["read", "run"]}
    print(connect().json("POST", "/keys", json=body)["key"])


@app.command("list")
def list_keys(as_json: output.AsJson = False) -> None:
    """List the keys of the workspace."""
    found = connect().json("GET", "/keys")["keys"]
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("id", "name", "scopes", "created", "revoked"),
        [
            (
                key["id"],
                key["name"],
                " ".join(key["scopes"]),
                output.moment(key["createdAt"]),
                output.moment(key["revokedAt"]),
            )
            for key in found
        ],
    )


@app.command("rotate-secret")
def rotate_secret() -> None:
    """Seal every secret of the installation with a new key, without downtime."""
    found = connect().json("POST", "/keys/rotate-secret")["resealed"]
    print(f"sealed {found} secrets with a new key")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """Revoke a key."""
    connect().call("DELETE", f"/keys/{key_id}")
    print(f"revoked {key_id}")
