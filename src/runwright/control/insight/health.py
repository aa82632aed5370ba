"""Whether this installation can accept and execute Runs."""

from __future__ import annotations

import asyncpg

from runwright.control.base import admission
from runwright.control.base.admission import Shortage
from runwright.control.base.platform import Platform
from runwright.domain.insight.metrics import WorkerFigures
from runwright.storage import metrics as rows

_WORKERS = 1_000


async def readiness(platform: Platform) -> list[str]:
    """The reasons why a Run would not be accepted or executed now; empty means ready."""
    reasons: list[str] = []
    if admission.is_disk_short(platform.settings):
        # It may be why the database is unreachable.
        reasons.append("the disk of this server is nearly full: new runs are refused")
    silence = platform.settings.heartbeat_timeout * 3
    try:
        workers = await rows.workers(platform.database, silence, _WORKERS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        return [*reasons, f"the database is unreachable: {type(error).__name__}"]
    if not workers:
        reasons.append("no worker is running: start `runwright worker`")
    elif all(_shortages(each) for each in workers):
        short = sorted({shortage for each in workers for shortage in _shortages(each)})
        reasons.append(f"every worker is short of {' or '.join(short)}, so no runs are started")
    return reasons


def _shortages(worker: WorkerFigures) -> list[Shortage]:
    return [each for each in Shortage if worker.figures.get(f"short_of_{each.value}")]
