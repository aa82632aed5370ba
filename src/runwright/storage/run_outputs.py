"""Rows of Runs' outputs: log lines and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runwright.domain.runs import LogLine, RunFile
from runwright.storage.database import queries

_SQL = queries("runs")


async def add_log_lines(
    connection: Any, run_id: str, attempt: int, lines: Sequence[LogLine]
) -> None:
    """Append lines to an Attempt's log; the database assigns their `id`."""
    await connection.execute(_SQL["add_log_lines"], run_id, attempt, *_columns(lines))


async def add_log_tail(
    connection: Any,
    run_id: str,
    attempt: int,
    lines: Sequence[LogLine],
    dropped: Sequence[int],
    marker: LogLine | None,
) -> list[int]:
    """Replace the `dropped` lines with new ones, update the marker's row if there is one, and return the new ids."""
    rows = await connection.fetch(
        _SQL["add_log_tail"],
        run_id,
        attempt,
        *_columns(lines),
        list(dropped),
        0 if marker is None else marker.id,
        "" if marker is None else marker.text,
    )
    return [row["id"] for row in rows]


def _columns(lines: Sequence[LogLine]) -> tuple[list[Any], ...]:
    return (
        [line.at for line in lines],
        [line.stream for line in lines],
        [line.level for line in lines],
        [line.text for line in lines],
    )


async def log_lines(connection: Any, run_id: str, *, after: int, limit: int) -> list[LogLine]:
    """Lines of a Run's log following an id."""
    rows = await connection.fetch(_SQL["log_lines"], run_id, after, limit)
    return [
        LogLine(
            id=row["id"],
            attempt=row["attempt"],
            at=row["at"],
            stream=row["stream"],
            level=row["level"],
            text=row["text"],
        )
        for row in rows
    ]


async def add_file(connection: Any, run_id: str, file: RunFile) -> None:
    """Attach a stored blob to a Run; idempotent."""
    await connection.execute(
        _SQL["add_file"], run_id, file.attempt, file.kind, file.name, file.size_bytes, file.blob
    )


async def files(connection: Any, run_id: str) -> tuple[RunFile, ...]:
    """The files of a Run."""
    return tuple(_file(row) for row in await connection.fetch(_SQL["files"], run_id))


async def file(connection: Any, run_id: str, file_id: int) -> RunFile | None:
    """A single file of a Run."""
    row = await connection.fetchrow(_SQL["file"], run_id, file_id)
    return None if row is None else _file(row)


def _file(row: Any) -> RunFile:
    return RunFile(
        id=row["id"],
        attempt=row["attempt"],
        kind=row["kind"],
        name=row["name"],
        size_bytes=row["size_bytes"],
        blob=row["blob"],
        created_at=row["created_at"],
    )
