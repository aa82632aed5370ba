"""Commands for operators: prune old data, back up and restore an installation."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from runwright import config
from runwright.cli import output
from runwright.cli.client import connect

DataDir = Annotated[Path | None, typer.Option(help="The data directory.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")]


def prune(dry_run: DryRun = False, as_json: output.AsJson = False) -> None:
    """Remove everything older than its retention, except what is still needed."""
    client = connect()
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    while True:
        done = client.json("POST", "/prune", params={"dryRun": dry_run})
        counts.update({each["kind"]: each["count"] for each in done["removed"]})
        sizes.update({each["kind"]: each["bytes"] for each in done["removed"]})
        if done["complete"] or dry_run:
            break
        output.say(f"removed {counts['runs']} runs and {counts['files']} files so far ...")
    found: list[dict[str, Any]] = [
        {"kind": kind, "count": counts[kind], "bytes": sizes[kind]} for kind in counts
    ]
    if as_json:
        output.as_json({"removed": found, "bytes": sum(sizes.values()), "dryRun": dry_run})
        return
    title = "would be removed" if dry_run else "removed"
    rows = [(each["kind"], f"{each['count']}", output.size(each["bytes"])) for each in found]
    output.table(("what", title, "size"), rows)


def backup(
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file ending in .tar.")],
    data_dir: DataDir = None,
) -> None:
    """Write a backup of a data directory on this machine, while it is in use."""
    from runwright.control.upkeep import backup as backups

    settings = config.read(data_dir=None if data_dir is None else data_dir.absolute())
    made = asyncio.run(backups.write(settings, target.absolute()))
    print(f"wrote {target} ({output.size(made.size_bytes)})")
    if made.has_key:
        output.say(
            "warning: the backup contains the key that seals secrets, and an API key: keep it as safe as "
            "the installation itself"
        )
    else:
        output.say(
            "warning: the key that seals secrets is the setting `RUNWRIGHT_SECRET_KEY` and is not in "
            "the backup: keep a copy, because without it every secret is lost"
        )
    if not made.has_blobs:
        output.say(
            "note: traces, files and bundles are in the bucket of `RUNWRIGHT_BLOBS`: keep that too"
        )


def restore(
    source: Annotated[Path, typer.Argument(help="A backup written by `runwright backup`.")],
    data_dir: DataDir = None,
) -> None:
    """Create a new data directory from a backup; refuse one that is not empty."""
    from runwright.control.upkeep import backup as backups

    settings = config.read(data_dir=None if data_dir is None else data_dir.absolute())
    manifest = asyncio.run(backups.restore(source.absolute(), settings.data_dir))
    print(f"restored the backup of {output.moment(manifest['createdAt'])} to {settings.data_dir}")
    print(f"start it with: runwright serve --data-dir {settings.data_dir}")
