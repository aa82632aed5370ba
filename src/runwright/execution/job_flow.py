"""Takes the steps of JobRuns that no item's end takes: their session, what is canceled with them."""

from __future__ import annotations

from datetime import timedelta

from runwright.control import job_runs
from runwright.control.platform import Platform


class JobFlow:
    """The flow of every JobRun on one Worker."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def look(self, job_run_id: str) -> timedelta | None:
        """Take the JobRun's next step; return when to look again, if nothing else will say so."""
        return await job_runs.look(self._platform, job_run_id)
