"""Rows of result profiles, and of Runs marked because their results deviate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.domain import drift as domain
from runwright.domain.drift import Drift, DriftKind, Profile
from runwright.domain.ids import ProjectId, RunId, WorkspaceId
from runwright.storage.database import queries

_SQL = queries("drift")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileRow:
    """The profile of an Api."""

    api: str
    is_watched: bool
    profile: Profile
    latest_run_id: RunId | None = None
    """The latest marked Run, if it still exists."""
    latest_drift: Drift | None = None
    latest_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unexamined:
    """A completed Run whose result has not been examined."""

    run_id: RunId
    workspace_id: WorkspaceId
    result: str
    job_run_id: str | None
    sealed_sink: bytes | None


async def next_api(connection: Any) -> tuple[ProjectId, str] | None:
    """The Api whose completed Run has waited longest to be examined."""
    row = await connection.fetchrow(_SQL["next_api"])
    return None if row is None else (ProjectId(row["project_id"]), row["api"])


async def lock(
    connection: Any, project_id: ProjectId, api: str, *, is_patient: bool = False
) -> ProfileRow | None:
    """The profile of an Api, locked; None when another transaction holds it, unless patient."""
    await connection.execute(_SQL["ensure"], project_id, api)
    name = "wait_for" if is_patient else "lock"
    row = await connection.fetchrow(_SQL[name], project_id, api)
    return None if row is None else _profile_row(row)


async def unexamined(
    connection: Any, project_id: ProjectId, api: str, limit: int
) -> list[Unexamined]:
    """Completed but unexamined Runs of an Api, in the order in which they ended."""
    return [
        Unexamined(
            run_id=RunId(row["id"]),
            workspace_id=WorkspaceId(row["workspace_id"]),
            result=row["result"],
            job_run_id=row["job_run_id"],
            sealed_sink=row["sealed_sink"],
        )
        for row in await connection.fetch(_SQL["unexamined"], project_id, api, limit)
    ]


async def examined(connection: Any, found: Mapping[RunId, Drift | None]) -> None:
    """Mark Runs as examined, each with its drift, if any."""
    drifts = [_text(drift) for drift in found.values()]
    await connection.execute(_SQL["examined"], list(found), drifts)


async def keep(connection: Any, project_id: ProjectId, api: str, profile: Profile) -> None:
    """Save the shapes of an Api whose profile is locked."""
    # PostgreSQL text cannot contain NUL, but a field's name may.
    text = domain.as_text(profile).replace("\\u0000", "\\ufffd")
    await connection.execute(_SQL["keep"], project_id, api, text)


async def watch(connection: Any, project_id: ProjectId, api: str, *, is_watched: bool) -> None:
    """Enable or disable drift detection for an Api."""
    await connection.execute(_SQL["watch"], project_id, api, is_watched)


async def list_all(connection: Any, project_id: ProjectId) -> list[ProfileRow]:
    """The profiles of a project, by Api, each with its latest marked Run."""
    return [_profile_row(row) for row in await connection.fetch(_SQL["list"], project_id)]


def read(text: str | None) -> Drift | None:
    """Parse the drift stored as JSON text on a Run."""
    if text is None:
        return None
    body = json.loads(text)
    return Drift(
        kinds=tuple(map(DriftKind, body["kinds"])),
        message=body["message"],
        fields=tuple(body["fields"]),
    )


def _text(drift: Drift | None) -> str | None:
    if drift is None:
        return None
    body = {
        "kinds": [kind.value for kind in drift.kinds],
        "message": drift.message.replace("\0", "�"),
        "fields": list(drift.fields),
    }
    return json.dumps(body).replace("\\u0000", "\\ufffd")


def _profile_row(row: Any) -> ProfileRow:
    run_id = row.get("run_id")
    return ProfileRow(
        api=row["api"],
        is_watched=row["is_watched"],
        profile=domain.read(row["shapes"]),
        latest_run_id=None if run_id is None else RunId(run_id),
        latest_drift=read(row.get("drift")),
        latest_at=row.get("ended_at"),
    )
