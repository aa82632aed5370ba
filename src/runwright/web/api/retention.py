"""The route of pruning; ours."""

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
    """So many of a kind."""

    kind: str
    count: int
    bytes: int
    """Of what lay in the blob store."""


class PruningAnswer(TypedDict):
    """What was removed, or would be."""

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
    """Remove from the whole installation what is older than its retention, for 20 s at most."""
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
