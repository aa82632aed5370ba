"""The command line: `runwright`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

import runwright
from runwright import config
from runwright.cli import auth_sessions, author, client, deliveries, keys, project, runs, variables
from runwright.cli.client import Refused
from runwright.errors import AuthorError, ConfigError, PlatformError

app = typer.Typer(
    name="runwright",
    help="Run Playwright automations as HTTP APIs on your own machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(project.deploy)
app.command()(runs.run)
app.command()(runs.logs)
app.command()(project.rollback)
app.command()(author.init)
app.command()(author.check)
app.command()(author.dev)
app.command()(author.replay)
app.add_typer(keys.app, name="keys")
app.add_typer(project.app, name="projects")
app.add_typer(project.deployments, name="deployments")
app.add_typer(variables.app, name="vars")
app.add_typer(auth_sessions.app, name="auth-sessions")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(runs.app, name="runs")
app.add_typer(runs.traces, name="trace")

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
    import uvloop

    from runwright import processes

    settings = config.read(data_dir=_absolute(data_dir), host=host, port=port)
    uvloop.run(processes.serve(settings, with_worker=not no_worker))


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Carry out Runs of the installation at RUNWRIGHT_DATABASE_URL, until SIGTERM."""
    import uvloop

    from runwright import processes

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
    except (AuthorError, PlatformError) as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(1)
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


if __name__ == "__main__":
    main()
