"""pgqueuer's writes about entries it has handed out, restricted to entries that this process still holds.

pgqueuer names an entry by its id alone. A process whose heartbeats did not come through for a while loses its
entries to another; when it ends what it does, it would delete or put back the entry that the other one works on:
its queue's limit would be exceeded and its delay ignored.
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
    """pgqueuer's queries, of which those about handed out entries change only what the process still holds."""

    picker: QueueManagerId
    """Whose entries they are; pgqueuer keeps it in each row."""

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
        """Put an entry back, to be handed out after the delay."""
        await self.driver.execute(PUT_BACK, job.id, delay, _json(traceback_record), self.picker)

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        """Say that the entries are still worked on."""
        await self.driver.execute(BEAT, job_ids, self.picker)


def _json(traceback: TracebackRecord | None) -> str | None:
    return None if traceback is None else traceback.model_dump_json()
