"""Rows of Questions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runwright.domain.ids import RunId, WorkspaceId
from runwright.domain.questions import AskedRun, Question
from runwright.storage.database import queries

_SQL = queries("questions")


async def ask(
    connection: Any,
    question_id: str,
    held: tuple[RunId, int],
    text: str,
    *,
    is_secret: bool,
    within: timedelta,
) -> Question | None:
    """Insert the Question of an Attempt, identified by Run and fence; None when the fence no longer holds."""
    row = await connection.fetchrow(_SQL["ask"], question_id, *held, text, is_secret, within)
    return None if row is None else _question(row)


async def sinks(connection: Any, run_id: RunId) -> tuple[bytes | None, bytes | None]:
    """The sealed Sinks of the Run and of its Deployment, the latter being the default."""
    row = await connection.fetchrow(_SQL["sinks"], run_id)
    return (None, None) if row is None else (row["run_sink"], row["deployment_sink"])


async def open_of_run(connection: Any, run_id: str) -> Question | None:
    """The open Question of a Run, its parts, or the operation it waits for."""
    row = await connection.fetchrow(_SQL["open"], run_id)
    return None if row is None else _question(row)


async def open_of_workspace(connection: Any, workspace_id: WorkspaceId) -> list[AskedRun]:
    """The open Questions of a workspace, oldest first."""
    return [
        AskedRun(
            question=_question(row),
            project_name=row["project_name"],
            api=row["api"],
            shown_run_id=RunId(row["shown_run_id"]),
        )
        for row in await connection.fetch(_SQL["open_of_workspace"], workspace_id)
    ]


async def answer(connection: Any, question_id: str, sealed: bytes) -> bool:
    """Save the sealed answer to an open Question; False when it is no longer open."""
    return await connection.fetchrow(_SQL["answer"], question_id, sealed) is not None


async def take(connection: Any, question_id: str) -> bytes | None:
    """Return the sealed answer, if any, and delete it."""
    return await connection.fetchval(_SQL["take"], question_id)


async def end(connection: Any, question_id: str) -> None:
    """End a Question that nobody waits for anymore."""
    await connection.execute(_SQL["end"], question_id)


async def forget_untaken(connection: Any) -> None:
    """Delete answers whose Attempt ended before receiving them."""
    await connection.execute(_SQL["forget_untaken"])


def _question(row: Any) -> Question:
    return Question(
        id=row["id"],
        run_id=RunId(row["run_id"]),
        attempt=row["attempt"],
        text=row["text"],
        is_secret=row["is_secret"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
    )
