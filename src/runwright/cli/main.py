"""The command line: `runwright`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

import runwright
from runwright import config
from runwright.cli import client, keys, project, runs
from runwright.cli.client import Refused
from runwright.errors import ConfigError

app = typer.Typer(
    name="runwright",
    help="Run Playwright automations as HTTP APIs on your own machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(project.deploy)
app.command()(runs.run)
app.command()(runs.logs)
app.add_typer(keys.app, name="keys")
app.add_typer(runs.app, name="runs")

DataDir = Annotated[Path | None, typer.Option(help="Where everything is kept.")]


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Only answer HTTP.")] = False,
) -> None:
    """Answer HTTP and carry out Runs, until SIGTERM."""
    # Imported here: the web framework and the database driver would slow every other command.
    from runwright import processes  # noqa: PLC0415

    settings = config.read(data_dir=_absolute(data_dir), host=host, port=port)
    uvloop.run(processes.serve(settings, with_worker=not no_worker))


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Carry out Runs of the installation at RUNWRIGHT_DATABASE_URL, until SIGTERM."""
    from runwright import processes  # noqa: PLC0415

    uvloop.run(processes.work(config.read(data_dir=_absolute(data_dir))))


@app.command()
def env() -> None:
    """Print where the local server is as shell exports: eval "$(runwright env)"."""
    for name, value in client.find().items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def version() -> None:
    """Print the version."""
    print(runwright.__version__)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ConfigError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(2)
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


if __name__ == "__main__":
    main()
