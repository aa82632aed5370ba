"""The route of pruning; Runwright's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from typing_extensions import TypedDict

from runwright.control.upkeep import retention
from runwright.domain.retention import Pruning
from runwright.web.server import bodies
from runwright.web.server.callers import Admin

_PATIENCE = timedelta(seconds=20)

routes = APIRouter()


class RemovedBody(TypedDict):
    """How much of one kind was removed."""

    kind: str
    count: int
    bytes: int
    """Size in the blob store."""


class PruningAnswer(TypedDict):
    """What was removed, or would be in a dry run."""

    removed: list[RemovedBody]
    bytes: int
    dryRun: bool
    complete: bool
    """False: more is due, so call again."""


@routes.post("/{workspace_id}/prune", response_model=PruningAnswer)
async def prune(
    caller: Admin,
    *,
    dry_run: Annotated[bool, Query(alias="dryRun", description="Only count.")] = False,
) -> Response:
    """Prune data of the whole installation that is past its retention, for up to 20 s."""
    done = await retention.prune(caller.platform, is_dry=dry_run, patience=_PATIENCE)
    return bodies.answer(_answer(done))


def _answer(done: Pruning) -> PruningAnswer:
    return {
        "removed": [
            {"kind": each.kind.value, "count": each.count, "bytes": each.size_bytes}
            for each in done.removed
        ],
        "bytes": done.size_bytes,
        "dryRun": done.is_dry,
        "complete": done.is_complete,
    }
