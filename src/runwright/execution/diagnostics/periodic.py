"""A Worker's diagnostics of its own machine, hourly and on request; findings are stored in the Worker's row."""

from __future__ import annotations

from runwright import telemetry
from runwright.control.base.platform import Platform
from runwright.control.insight import diagnostics
from runwright.domain.ids import WorkerId
from runwright.domain.insight.diagnostics import State
from runwright.execution.diagnostics import checks

log = telemetry.logger(__name__)


class PeriodicDiagnostics:
    """Runs diagnostics on the machine of one Worker."""

    def __init__(self, platform: Platform, worker_id: WorkerId) -> None:
        self._platform = platform
        self._worker_id = worker_id

    async def run_if_due(self) -> None:
        """Run all checks and publish the findings, if due."""
        if not await diagnostics.is_due(self._platform, self._worker_id):
            return
        found = [each async for each in checks.run(self._platform.settings)]
        await diagnostics.publish(self._platform, self._worker_id, found)
        failures = [each.name for each in found if each.state is State.FAILURE]
        if failures:
            log.warning("machine has problems", event_name="machine_unwell", failures=failures)
