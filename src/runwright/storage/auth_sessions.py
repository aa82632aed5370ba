"""Rows of AuthSessions. Secrets arrive sealed and stay sealed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runwright.domain.auth_sessions import AuthSession, SessionSource, SessionStatus, SessionType
from runwright.domain.ids import ProjectId
from runwright.storage.database import queries

_SQL = queries("auth_sessions")


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRow:
    """An AuthSession with the columns that only the platform needs."""

    session: AuthSession
    generation: int
    """Identifies its state; unique across all AuthSessions that ever existed; 0 without a state."""
    input_digest: str | None
    sealed_parameters: bytes | None
    sealed_state: bytes | None
    sealed_proxy: bytes | None
    only_for: str | None
    """The one Run it exists for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSession:
    """An AuthSession about to be inserted."""

    project_id: ProjectId
    id: str
    type: SessionType
    status: SessionStatus
    source: SessionSource = SessionSource.API
    input_digest: str | None = None
    sealed_parameters: bytes | None = None
    sealed_state: bytes | None = None
    sealed_proxy: bytes | None = None
    only_for: str | None = None


async def insert(connection: Any, new: NewSession) -> bool:
    """Insert an AuthSession; False when its id is taken."""
    row = await connection.fetchrow(
        _SQL["insert"],
        new.project_id,
        new.id,
        new.type.value,
        new.status.value,
        new.source.value,
        new.input_digest,
        new.sealed_parameters,
        new.sealed_state,
        new.sealed_proxy,
        new.only_for,
    )
    return row is not None


async def get(connection: Any, project_id: ProjectId, session_id: str) -> SessionRow | None:
    """The AuthSession with that id."""
    row = await connection.fetchrow(_SQL["get"], project_id, session_id)
    return None if row is None else _session_row(row)


async def lock(connection: Any, project_id: ProjectId, session_id: str) -> SessionRow | None:
    """The AuthSession with that id, locked until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock"], project_id, session_id)
    return None if row is None else _session_row(row)


async def list_all(connection: Any, project_id: ProjectId) -> list[AuthSession]:
    """The AuthSessions of a project, by id."""
    return [_session_row(row).session for row in await connection.fetch(_SQL["list"], project_id)]


async def of_code(connection: Any, project_id: ProjectId) -> list[SessionRow]:
    """The AuthSessions that a project's code declares, locked until the transaction ends."""
    return [_session_row(row) for row in await connection.fetch(_SQL["of_code"], project_id)]


async def forget(connection: Any, project_id: ProjectId, session_id: str) -> bool:
    """Delete an AuthSession; False when there was none."""
    return await connection.fetchrow(_SQL["forget"], project_id, session_id) is not None


async def renew(  # noqa: PLR0913 - the columns of a row
    connection: Any,
    project_id: ProjectId,
    session_id: str,
    *,
    sealed_state: bytes,
    input_digest: str | None,
    sealed_parameters: bytes | None,
    sealed_proxy: bytes | None,
) -> None:
    """Replace an AuthSession's state; parameters and proxy are kept unless new ones are given."""
    await connection.execute(
        _SQL["renew"],
        project_id,
        session_id,
        sealed_state,
        input_digest,
        sealed_parameters,
        sealed_proxy,
    )


async def note_passed(
    connection: Any,
    project_id: ProjectId,
    session_id: str,
    generation: int,
    sealed_state: bytes | None,
) -> None:
    """Record that a check passed, and save the state if the check changed it."""
    await connection.execute(_SQL["pass"], project_id, session_id, generation, sealed_state)


async def save(
    connection: Any, project_id: ProjectId, session_id: str, generation: int, sealed_state: bytes
) -> None:
    """Save the final state of a Run's browser, unless a create came in between."""
    await connection.execute(_SQL["save"], project_id, session_id, generation, sealed_state)


async def expire(connection: Any, project_id: ProjectId, session_id: str, generation: int) -> None:
    """Record that the state of that generation is no longer valid."""
    await connection.execute(_SQL["expire"], project_id, session_id, generation)


async def forget_unmade(connection: Any, project_id: ProjectId, session_id: str) -> None:
    """Delete an AuthSession whose first create failed, unless code declares it."""
    await connection.execute(_SQL["forget_unmade"], project_id, session_id)


def _session_row(row: Any) -> SessionRow:
    session = AuthSession(
        project_id=ProjectId(row["project_id"]),
        id=row["id"],
        type=SessionType(row["type"]),
        status=SessionStatus(row["status"]),
        source=SessionSource(row["source"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        checked_at=row["checked_at"],
    )
    return SessionRow(
        session=session,
        generation=row["generation"],
        input_digest=row["input_digest"],
        sealed_parameters=row["sealed_parameters"],
        sealed_state=row["sealed_state"],
        sealed_proxy=row["sealed_proxy"],
        only_for=row["only_for"],
    )
