"""Commands for Deliveries."""

from __future__ import annotations

from typing import Annotated

import typer

from runwright.cli import output
from runwright.cli.client import connect
from runwright.errors import ConfigError

app = typer.Typer(help="Inspect Deliveries, and send them again.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(help="The project's name.")]
DeliveryId = Annotated[str, typer.Argument(help="The Delivery's id.")]


@app.command("list")
def list_deliveries(
    project: Project,
    run: Annotated[str | None, typer.Option(help="Only Deliveries of this Run.")] = None,
    job_run: Annotated[str | None, typer.Option(help="Only Deliveries of this JobRun.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only Deliveries with this status: pending, delivered or exhausted."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number to list.")] = 20,
    as_json: output.AsJson = False,
) -> None:
    """List the newest Deliveries of a project."""
    params = {"limit": limit, **({"runId": run} if run else {})}
    params |= {"status": status} if status else {}
    params |= {"jobRunId": job_run} if job_run else {}
    found = connect().json("GET", f"/projects/{project}/deliveries", params=params)["deliveries"]
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            each["deliveryId"],
            each["runId"] or "",
            each["target"],
            each["status"],
            str(each["tries"]),
            output.moment(each["createdAt"]),
        )
        for each in found
    ]
    output.table(("delivery", "run", "to", "status", "tries", "created"), rows)


@app.command()
def show(project: Project, delivery_id: DeliveryId) -> None:
    """Print a Delivery and its tries as JSON."""
    output.as_json(connect().json("GET", f"/projects/{project}/deliveries/{delivery_id}"))


@app.command()
def redeliver(
    project: Project,
    delivery_id: Annotated[str | None, typer.Argument(help="The Delivery's id.")] = None,
    job_run: Annotated[
        tuple[str, str] | None,
        typer.Option(help="A Job and its JobRun: all of its Deliveries whose tries all failed."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Send to this URL instead.")] = None,
) -> None:
    """Send a Delivery again, under the same id, or all failed ones of a JobRun."""
    body = {} if url is None else {"url": url}
    if (delivery_id is None) == (job_run is None):
        raise ConfigError("Specify either a delivery or `--job-run JOB JOB_RUN`.")
    if job_run is not None:
        path = f"/projects/{project}/jobs/{job_run[0]}/runs/{job_run[1]}/redeliver"
        print(connect().json("POST", path, json=body)["redelivered"])
        return
    path = f"/projects/{project}/deliveries/{delivery_id}/redeliver"
    print(connect().json("POST", path, json=body)["status"])
