"""JobRuns as a state machine: fired, paused, resumed, extended, terminated; every item ends once, counts are accurate."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from machines.flows import FlowMachine
from machines.lines import Cut
from machines.run_history import TERMINAL, failure
from machines.stage import Stage, cuts, play

from runwright.control.auth_sessions import auth_sessions
from runwright.control.jobs import firing, job_runs, jobs
from runwright.control.runs import runs
from runwright.domain.auth_sessions import SessionOperation, SessionPlan
from runwright.domain.jobs import job_text
from runwright.domain.jobs.jobs import JobRunStatus
from runwright.domain.runs import ExtendedPayload, Outcome, RunKind
from runwright.errors import Conflict, NotFound, ValidationError
from runwright.execution.attempts.running_attempt import RunningAttempt

_JOB = "j"
_ITEMS = 3
_AT_ONCE = 2
_MOST_FIRINGS = 3
_HOOK = {"type": "webhook", "url": "https://example.com/hook"}
_JOB_RUNS = "SELECT * FROM job_runs WHERE project_id = $1 ORDER BY created_at, id"
_TOLD = (
    "SELECT job_run_id, body::jsonb ->> 'type' AS type FROM deliveries"
    " WHERE project_id = $1 AND run_id IS NULL"
)
_DELIVERED = "SELECT run_id FROM deliveries WHERE project_id = $1 AND run_id IS NOT NULL"
_DUE = "UPDATE jobs SET fires_at = now() - interval '1 second' WHERE project_id = $1 AND firing IS NOT NULL"


class JobRunMachine(FlowMachine):
    """One Job, which is triggered and fired, and its JobRuns; with a session or without."""

    def __init__(self) -> None:
        super().__init__()
        self.has_session = False
        self.firings = 0
        self.keys = itertools.count()
        self.of_removed_jobs: set[str] = set()
        self.job_runs_before: dict[str, dict[str, Any]] = {}

    @initialize(has_session=st.booleans())
    def begin(self, has_session: bool) -> None:
        super().begin()
        self.has_session = has_session
        if has_session:
            self.give_sessions()
            plan = SessionPlan(id="s", operation=SessionOperation.CREATE, parameters={"account": 1})
            self.do(auth_sessions.create(self.platform, self.project, plan))
            self.end_all(by=0)
        self.do(self._make())

    def outcome(self, running: RunningAttempt, how: str) -> Outcome:
        """Ask for more work, once."""
        claim = running.claim
        if how != "well":
            return failure(is_retried=how == "badly")
        match claim.kind:
            case RunKind.CREATE:
                return Outcome(result="null", auth_state={"cookies": [], "origins": []})
            case RunKind.CHECK:
                return Outcome(result="true")
            case _:
                is_more = claim.plan.parameters.get("more", False)
                more = (ExtendedPayload(api="a", parameters={}),) if is_more else ()
                return Outcome(result="1", extended_payloads=more)

    # What callers do.

    @rule(cut=cuts)
    def trigger(self, cut: Cut | None) -> None:
        if self.firings >= _MOST_FIRINGS:
            return
        self.firings += 1
        key = f"key {next(self.keys)}"
        with contextlib.suppress(NotFound, ValidationError):
            begun = self.persist(
                lambda: jobs.trigger(
                    self.platform, self.project, _JOB, idempotency_key=key, request_text=""
                ),
                cut,
            )
            assert begun.job_run.id in {row["id"] for row in self._job_runs()}

    @rule(cut=cuts)
    def fire(self, cut: Cut | None) -> None:
        """The Schedule's moment comes."""
        if self.firings >= _MOST_FIRINGS:
            return
        self.firings += 1
        self.execute(_DUE, self.project.id)
        self.persist(
            lambda: firing.fire_due(self.platform, datetime.now(UTC) + timedelta(seconds=1)), cut
        )

    @rule(what=st.sampled_from(["pauses", "resumes", "resumes", "terminates", "removes"]), cut=cuts)
    def change(self, what: str, cut: Cut | None) -> None:
        """Somebody pauses or resumes the Job, terminates its JobRun, or removes it and makes it anew."""
        with contextlib.suppress(NotFound):
            match what:
                case "pauses":
                    self.persist(lambda: jobs.pause(self.platform, self.project.id, _JOB), cut)
                case "resumes":
                    self.persist(lambda: jobs.resume(self.platform, self.project.id, _JOB), cut)
                case "terminates" if self._job_runs():
                    newest = self._job_runs()[-1]["id"]
                    self.persist(
                        lambda: job_runs.terminate(self.platform, self.project.id, _JOB, newest),
                        cut,
                    )
                case "removes":
                    self.persist(lambda: jobs.delete(self.platform, self.project.id, _JOB), cut)
                    assert all(row["ended_at"] is not None for row in self._job_runs())
                    self.of_removed_jobs = {row["id"] for row in self._job_runs()}
                case _:
                    pass
        with contextlib.suppress(Conflict):
            self.do(self._make())

    @rule(choice=st.integers(0, 9), cut=cuts)
    def cancel(self, choice: int, cut: Cut | None) -> None:
        """Somebody cancels an item."""
        items = [row["id"] for row in self.history.runs.values() if row["job_run_id"] is not None]
        if items:
            run_id = items[choice % len(items)]
            self.persist(lambda: runs.cancel(self.platform, self.project.id, run_id), cut)

    def check(self) -> None:
        """See that JobRuns are as their items say, and that what has ended stays so."""
        found = self._job_runs()
        assert sum(row["ended_at"] is None for row in found) <= 1
        of_this_job = [row["firing"] for row in found if row["id"] not in self.of_removed_jobs]
        firings = [moment for moment in of_this_job if moment is not None]
        assert len(firings) == len({*firings})
        for row in found:
            self._check_items(row)
            before = self.job_runs_before.get(row["id"])
            if before is not None and before["ended_at"] is not None:
                # Its counts come when its last item has ended.
                assert (row["status"], row["ended_at"]) == (before["status"], before["ended_at"])
                assert before["payloads"] is None or row["payloads"] == before["payloads"]
        assert self.job_runs_before.keys() <= {row["id"] for row in found}
        self.job_runs_before = {row["id"]: row for row in found}

    def let_go_on(self) -> None:
        """Resume the Job: it may be paused."""
        self.do(jobs.resume(self.platform, self.project.id, _JOB))

    def check_the_end(self) -> None:
        """See that every JobRun has ended, told so once, and delivered each item once."""
        told = Counter(
            (row["job_run_id"], row["type"]) for row in self.rows(_TOLD, self.project.id)
        )
        delivered = Counter(row["run_id"] for row in self.rows(_DELIVERED, self.project.id))
        items = {row["id"] for row in self.history.runs.values() if row["job_run_id"] is not None}
        assert delivered == Counter(items)
        for row in self._job_runs():
            assert row["ended_at"] is not None, row
            assert told[row["id"], "job-run.ended"] == 1, told
            assert row["payloads"] is not None

    def _check_items(self, job_run: dict[str, Any]) -> None:
        items = [row for row in self.history.runs.values() if row["job_run_id"] == job_run["id"]]
        under_way = [
            row for row in items if row["turn"] is not None and row["status"] not in TERMINAL
        ]
        held = [row for row in items if row["turn"] is None and row["status"] not in TERMINAL]
        assert len(under_way) <= _AT_ONCE
        places = [row["position"] for row in items]
        assert len(places) == len({*places})
        if job_run["status"] == JobRunStatus.PAUSED:
            assert not under_way
        if job_run["ended_at"] is not None:
            assert not held
        if job_run["payloads"] is not None and items:
            good = sum(row["status"] == "completed" for row in items)
            bad = sum(
                row["status"] in ("failed", "canceled") and row["turn"] is not None for row in items
            )
            assert not under_way
            assert (job_run["payloads"], job_run["successful_runs"], job_run["failed_runs"]) == (
                len(items),
                good,
                bad,
            )

    def _job_runs(self) -> list[dict[str, Any]]:
        return self.rows(_JOB_RUNS, self.project.id)

    async def _make(self) -> None:
        body: dict[str, Any] = {
            "payload": [
                {"apiName": "a", "parameters": {"more": number == 0}} for number in range(_ITEMS)
            ],
            "configuration": {
                "maxConcurrentRequests": _AT_ONCE,
                "retry": {"maximumAttempts": 2},
            },
            "schedule": {"intervals": [{"every": "1h"}]},
            "sink": _HOOK,
            "notifications": [_HOOK],
        }
        if self.has_session:
            body["auth_session"] = {"id": "s", "auto_recreate": False}
        await jobs.create(self.platform, self.project, _JOB, job_text.parse(body))


async def test_a_job_run_ends_once_with_all_its_items_whatever_comes_between(stage: Stage) -> None:
    await play(JobRunMachine, stage)
