"""Rows of requests to watch a Run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from runwright.domain.ids import RunId
from runwright.domain.live import LiveRequest
from runwright.storage.database import queries

_SQL = queries("live")


async def request(connection: Any, new: LiveRequest) -> None:
    """Insert a request, or renew it."""
    await connection.execute(
        _SQL["request"], new.id, new.run_id, new.server_url, new.can_control, new.watcher
    )


async def take(connection: Any, run_ids: Sequence[str]) -> list[LiveRequest]:
    """Take the requests for these Runs."""
    return [
        LiveRequest(
            id=row["id"],
            run_id=RunId(row["run_id"]),
            server_url=row["server_url"],
            can_control=row["can_control"],
            watcher=row["watcher"],
        )
        for row in await connection.fetch(_SQL["take"], list(run_ids))
    ]


async def is_silent(connection: Any, run_id: RunId, silence: timedelta) -> bool:
    """True when the Worker that holds the Run has been silent for that long."""
    return bool(await connection.fetchval(_SQL["is_silent"], run_id, silence))


async def withdraw(connection: Any, request_id: str) -> None:
    """Delete a request."""
    await connection.execute(_SQL["withdraw"], request_id)
