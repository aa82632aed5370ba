"""pgqueuer's writes to entries in progress, restricted to the entries that this process still holds.

pgqueuer identifies an entry by its id alone. A process whose heartbeats fail for a while loses its entries to
another; when its handlers end, it would delete or put back entries that the other process is working on, thereby
exceeding the queue's limit and ignoring the entry's delay.
"""

from __future__ import annotations

from datetime import timedelta

from pgqueuer.models import Job, TracebackRecord
from pgqueuer.queries import Queries
from pgqueuer.types import JOB_STATUS, JobId, QueueManagerId

END = """
WITH ended AS (
    DELETE FROM pgqueuer AS entry
    USING unnest($1::bigint[], $2::pgqueuer_status[], $3::jsonb[]) AS given (id, status, traceback)
    WHERE entry.id = given.id AND entry.status = 'picked' AND entry.queue_manager_id = $4
    RETURNING entry.id, given.status, entry.entrypoint, entry.priority, given.traceback
)
INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority, traceback)
SELECT id, status, entrypoint, priority, traceback FROM ended
"""
PUT_BACK = """
WITH put_back AS (
    UPDATE pgqueuer
    SET status = 'queued', execute_after = now() + $2::interval, attempts = attempts + 1, updated = now(),
        queue_manager_id = NULL
    WHERE id = $1 AND status = 'picked' AND queue_manager_id = $4
    RETURNING id, entrypoint, priority
)
INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority, traceback)
SELECT id, 'queued', entrypoint, priority, $3::jsonb FROM put_back
"""
BEAT = """
UPDATE pgqueuer SET heartbeat = now()
WHERE id = ANY ($1::bigint[]) AND status = 'picked' AND queue_manager_id = $2
"""


class Picks(Queries):
    """pgqueuer's queries, with writes to entries in progress limited to those that the process still holds."""

    picker: QueueManagerId
    """The process whose entries these are; pgqueuer stores it in each row."""

    async def log_jobs(
        self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]
    ) -> None:
        """Delete entries whose handlers have ended."""
        await self.driver.execute(
            END,
            [job.id for job, _, _ in job_status],
            [status for _, status, _ in job_status],
            [_json(traceback) for _, _, traceback in job_status],
            self.picker,
        )

    async def retry_job(
        self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None
    ) -> None:
        """Put an entry back, to be handed out again after the delay."""
        await self.driver.execute(PUT_BACK, job.id, delay, _json(traceback_record), self.picker)

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        """Renew the heartbeat of entries in progress."""
        await self.driver.execute(BEAT, job_ids, self.picker)


def _json(traceback: TracebackRecord | None) -> str | None:
    return None if traceback is None else traceback.model_dump_json()
