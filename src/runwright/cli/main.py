"""The command line: `runwright`."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import runwright
from runwright import config, setting_text
from runwright.cli import client, surroundings
from runwright.cli.client import Refused
from runwright.cli.commands import (
    auth_sessions,
    author,
    dashboard,
    deliveries,
    doctor,
    drift,
    job_runs,
    jobs,
    keys,
    operations,
    project,
    runs,
    variables,
)
from runwright.errors import AuthorError, ConfigError, PlatformError

app = typer.Typer(
    name="runwright",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(project.deploy)
app.command()(runs.run)
app.command()(runs.logs)
app.command()(project.rollback)
app.command("dashboard")(dashboard.open_dashboard)
app.command()(author.init)
app.command()(author.check)
app.command()(author.dev)
app.command()(author.replay)
app.command()(doctor.doctor)
app.command()(operations.prune)
app.command()(operations.backup)
app.command()(operations.restore)
app.add_typer(keys.app, name="keys")
app.add_typer(project.app, name="projects")
app.add_typer(project.deployments, name="deployments")
app.add_typer(variables.app, name="vars")
app.add_typer(auth_sessions.app, name="auth-sessions")
app.add_typer(jobs.app, name="jobs")
app.add_typer(job_runs.app, name="job-runs")
app.add_typer(drift.app, name="drift")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(runs.app, name="runs")
app.add_typer(runs.traces, name="trace")

DataDir = Annotated[Path | None, typer.Option(help="The data directory.")]


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", parser=setting_text.host)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 picks a free one.", min=0, max=setting_text.LAST_PORT
        ),
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Answer HTTP only.")] = False,
) -> None:
    """Answer HTTP and execute Runs, until SIGTERM."""
    # Imported here: the web framework and the database driver would slow down every other command.
    with _loading():
        import uvloop

        from runwright import processes

    settings = config.read(data_dir=_absolute(data_dir), host=host, port=port)
    uvloop.run(processes.serve(settings, with_worker=not no_worker))


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Execute Runs of the installation at RUNWRIGHT_DATABASE_URL, until SIGTERM."""
    with _loading():
        import uvloop

        from runwright import processes

    uvloop.run(processes.work(config.read(data_dir=_absolute(data_dir))))


@app.command()
def env() -> None:
    """Print the local server's address and key as shell exports: eval "$(runwright env)"."""
    for name, value in client.find().items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def version() -> None:
    """Print the version."""
    print(runwright.__version__)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls its callbacks this way
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Run Playwright automations as HTTP APIs on your own machines."""


def main() -> None:
    """Run the command line."""
    surroundings.mend()
    try:
        app()
    except ConfigError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(2)
    except (AuthorError, PlatformError) as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(1)
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:
        # The reader of our output is gone. Redirect stdout so that nothing fails when flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # Imported here: the database driver would slow down every successful command.
        from runwright import db_errors

        if not db_errors.is_full(error):
            raise
        print(f"error: A disk is full: free up space, and try again ({error}).", file=sys.stderr)
        sys.exit(2)


@contextmanager
def _loading() -> Generator[None]:
    """Import modules that live as long as the process, hidden from the garbage collector.

    It would otherwise scan 100,000 objects repeatedly while they load, and for 70 ms at a time ever after.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def _absolute(path: Path | None) -> Path | None:
    try:
        return None if path is None else path.absolute()
    except FileNotFoundError as error:
        raise ConfigError(
            f"`{path}` is relative to the current folder, which no longer exists."
        ) from error


if __name__ == "__main__":
    main()
