"""Commands for Jobs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from runwright.cli import output
from runwright.cli.client import connect
from runwright.cli.commands.runs import read_parameters

app = typer.Typer(help="Manage Jobs: lists of work with a schedule.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(help="The project's name.")]
JobId = Annotated[str, typer.Argument(help="The Job's id.")]


@app.command("list")
def list_jobs(project: Project, as_json: output.AsJson = False) -> None:
    """List the Jobs of a project."""
    found = connect().json("GET", f"/projects/{project}/jobs")
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            each["id"],
            each["state"],
            each["source"].lower(),
            str(len(each["payload"])),
            output.moment(each.get("next_run_time")),
            output.moment(each.get("last_run_time")),
        )
        for each in found
    ]
    output.table(("job", "state", "declared by", "items", "next", "last"), rows)


@app.command()
def show(project: Project, job_id: JobId) -> None:
    """Print a Job as JSON, without its secrets."""
    output.as_json(connect().json("GET", f"/projects/{project}/jobs/{job_id}"))


@app.command()
def create(
    project: Project,
    job_id: JobId,
    body: Annotated[
        str, typer.Option(help="The Job's definition: JSON, @FILE, or - for standard input.")
    ] = "-",
) -> None:
    """Create a Job; its Schedule starts now."""
    wanted: dict[str, Any] = {**read_parameters(body), "id": job_id}
    print(connect().json("POST", f"/projects/{project}/jobs", json=wanted)["id"])


@app.command()
def trigger(
    project: Project,
    job_id: JobId,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow it, and fail if an item fails.")
    ] = False,
) -> None:
    """Start a JobRun now and print its id."""
    from runwright.cli.commands import job_runs

    client = connect()
    answer = client.json("POST", f"/projects/{project}/jobs/{job_id}/trigger")
    if answer["message"] != "Triggered":
        output.say(answer["message"])
    print(answer["jobRunId"])
    if watch:
        job_runs.follow(client, project, job_id, answer["jobRunId"])


@app.command()
def pause(project: Project, job_id: JobId) -> None:
    """Pause a Job's Schedule, and stop its active JobRun from starting more items."""
    print(connect().json("POST", f"/projects/{project}/jobs/{job_id}/pause")["message"])


@app.command()
def resume(project: Project, job_id: JobId) -> None:
    """Resume a Job's Schedule and its paused JobRun."""
    print(connect().json("POST", f"/projects/{project}/jobs/{job_id}/resume")["message"])


@app.command()
def delete(project: Project, job_id: JobId) -> None:
    """Remove a Job and terminate its active JobRun."""
    connect().call("DELETE", f"/projects/{project}/jobs/{job_id}")
    print(job_id)
