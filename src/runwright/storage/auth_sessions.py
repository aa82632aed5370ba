"""AuthSessions as rows: sealed here as they came, opened by who may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runwright.domain.auth_sessions import AuthSession, SessionSource, SessionStatus, SessionType
from runwright.domain.ids import ProjectId
from runwright.storage.database import queries

_SQL = queries("auth_sessions")


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRow:
    """A session with what only the platform needs to know of it."""

    session: AuthSession
    generation: int
    """Which state it has: of all sessions there ever were, no other has the same; 0 while there is none."""
    input_digest: str | None
    sealed_parameters: bytes | None
    sealed_state: bytes | None
    sealed_proxy: bytes | None
    only_for: str | None
    """The one Run it lives for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSession:
    """A session about to be made."""

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
    """Make a session; return whether its id was free."""
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
    """Return one session."""
    row = await connection.fetchrow(_SQL["get"], project_id, session_id)
    return None if row is None else _session_row(row)


async def lock(connection: Any, project_id: ProjectId, session_id: str) -> SessionRow | None:
    """Return one session, held until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock"], project_id, session_id)
    return None if row is None else _session_row(row)


async def list_all(connection: Any, project_id: ProjectId) -> list[AuthSession]:
    """Return the sessions of a project, by id."""
    return [_session_row(row).session for row in await connection.fetch(_SQL["list"], project_id)]


async def of_code(connection: Any, project_id: ProjectId) -> list[SessionRow]:
    """Return the sessions that a project's code declares, held until the transaction ends."""
    return [_session_row(row) for row in await connection.fetch(_SQL["of_code"], project_id)]


async def forget(connection: Any, project_id: ProjectId, session_id: str) -> bool:
    """Forget a session; return whether there was one."""
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
    """Put a new state into a session; parameters and proxy stay where there are no new ones."""
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
    """Note that a check has passed; a state that it changed is kept."""
    await connection.execute(_SQL["pass"], project_id, session_id, generation, sealed_state)


async def save(
    connection: Any, project_id: ProjectId, session_id: str, generation: int, sealed_state: bytes
) -> None:
    """Keep what a Run's browser ended with, unless a create came between."""
    await connection.execute(_SQL["save"], project_id, session_id, generation, sealed_state)


async def expire(connection: Any, project_id: ProjectId, session_id: str, generation: int) -> None:
    """Note that the state of that generation is no longer good."""
    await connection.execute(_SQL["expire"], project_id, session_id, generation)


async def forget_unmade(connection: Any, project_id: ProjectId, session_id: str) -> None:
    """Forget a session whose first create has failed; one that code declares stays."""
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
