"""Starting a Run again with the request it was accepted with, secrets included."""

from __future__ import annotations

import json

from runwright.control.base.platform import Platform
from runwright.control.deliveries import sealed_sinks
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.control.runs import runs
from runwright.domain.projects import Project
from runwright.domain.runs import Run, RunKind, RunRequest
from runwright.errors import Conflict, NotFound
from runwright.storage import runs as rows
from runwright.storage.runs import RunRow


async def start(platform: Platform, project: Project, run_id: str) -> Run:
    """Start a Run of the current Deployment with an earlier Run's request.

    Raises:
        NotFound: the project has no such Run, or nothing is deployed.
        Conflict: it was a check or create, or signed in with input that is not stored.
        ValidationError, Forbidden: the request is no longer valid or allowed.
    """
    request = await request_of(platform, project, run_id)
    return await runs.start(platform, project, request, idempotency_key=None, request_text="")


async def request_of(platform: Platform, project: Project, run_id: str) -> RunRequest:
    """The request that a Run was accepted with, secrets included.

    Raises:
        NotFound: the project has no such Run.
        Conflict: it was a check or create, or signed in with input that is not stored.
    """
    row = None if "\0" in run_id else await rows.get(platform.database, run_id)
    if row is None or row.run.project_id != project.id:
        raise NotFound(f"There is no run `{run_id[:64]}` here.")
    return _request(platform, row)


def _request(platform: Platform, row: RunRow) -> RunRequest:
    if row.run.kind is not RunKind.API:
        raise Conflict(
            "This is a check or create of an auth session: validate the session instead."
        )
    if row.session is not None and row.session.id == row.run.id:
        raise Conflict(
            f"Run `{row.run.id}` signed in with `runtimeInput`, which is not stored: start a new run with that input."
        )
    proxy = None
    if row.sealed_proxy is not None:
        proxy = platform.vault.open(row.sealed_proxy, record=f"run:{row.run.id}").decode()
    sink = None
    if row.sealed_sink is not None:
        sink = sealed_sinks.unseal(platform, Owner.RUN, row.run.id, row.sealed_sink)
    return RunRequest(
        api=row.run.api,
        parameters=json.loads(row.parameters),
        proxy=proxy,
        save_trace=row.save_trace,
        save_har=row.save_har,
        request_timeout=row.request_timeout,
        maximum_attempts=row.run.maximum_attempts,
        session=row.session,
        sink=sink,
    )
