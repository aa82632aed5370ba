"""Commands for JobRuns."""

from __future__ import annotations

import threading
from typing import Annotated, Any

import typer

from runwright.cli import output
from runwright.cli.client import Client, connect

app = typer.Typer(help="Inspect the JobRuns of a Job, and end them.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(help="The project's name.")]
JobId = Annotated[str, typer.Argument(help="The Job's id.")]
JobRunId = Annotated[str, typer.Argument(help="The JobRun's id.")]
_LOOK_SECONDS = 0.5
_ACTIVE = ("PENDING", "PAUSING", "RESUMING")


@app.command("list")
def list_job_runs(
    project: Project,
    job_id: JobId,
    limit: Annotated[int, typer.Option(help="Maximum number to list.")] = 20,
    as_json: output.AsJson = False,
) -> None:
    """List the newest JobRuns of a Job."""
    path = f"/projects/{project}/jobs/{job_id}/runs"
    found = connect().json("GET", path, params={"pageSize": limit})["jobRuns"]
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            each["id"],
            each["status"],
            each["type"].lower(),
            f"{each['successful_runs']} of {each['payloads']}",
            str(each["failed_runs"]),
            output.moment(each["start_time"]),
            output.moment(each["end_time"]),
        )
        for each in found
    ]
    output.table(("job run", "status", "by", "completed", "failed", "began", "ended"), rows)


@app.command()
def show(project: Project, job_id: JobId, job_run_id: JobRunId) -> None:
    """Print a JobRun as JSON, including the link to its results."""
    output.as_json(connect().json("GET", f"/projects/{project}/jobs/{job_id}/runs/{job_run_id}"))


@app.command()
def watch(project: Project, job_id: JobId, job_run_id: JobRunId) -> None:
    """Follow a JobRun's counts and rate until it ends or is paused."""
    follow(connect(), project, job_id, job_run_id)


@app.command()
def terminate(project: Project, job_id: JobId, job_run_id: JobRunId) -> None:
    """End a JobRun immediately."""
    path = f"/projects/{project}/jobs/{job_id}/runs/{job_run_id}/terminate"
    print(connect().json("POST", path)["message"])


def follow(client: Client, project: str, job_id: str, job_run_id: str) -> None:
    """Show a JobRun's progress until it ends or is paused.

    Raises:
        typer.Exit: it did not end in SUCCESS.
    """
    # Imported here: it would slow down every command that shows no progress.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    path = f"/projects/{project}/jobs/{job_id}/runs/{job_run_id}"
    pause = threading.Event()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        shown = progress.add_task("PENDING", total=None, failed=0, rate="")
        while True:
            found = client.json("GET", path)["jobRun"]
            _show(progress, shown, found)
            if found["status"] not in _ACTIVE:
                break
            pause.wait(_LOOK_SECONDS)
    output.say(_summary(found))
    if found["status"] != "SUCCESS":
        raise typer.Exit(1)


def _show(progress: Any, shown: Any, found: dict[str, Any]) -> None:
    ended = found["successful_runs"] + found["failed_runs"]
    elapsed = progress.tasks[shown].elapsed or 0
    progress.update(
        shown,
        description=found["status"],
        total=found["payloads"],
        completed=ended,
        failed=found["failed_runs"],
        rate=f"{ended / elapsed:.1f}/s" if elapsed >= 1 else "",
    )


def _summary(found: dict[str, Any]) -> str:
    reason = found.get("reason", {}).get("message")
    text = (
        f"{found['status']}: {found['successful_runs']} of {found['payloads']} completed, "
        f"{found['failed_runs']} failed"
    )
    return text if reason is None else f"{text}. {reason}"
