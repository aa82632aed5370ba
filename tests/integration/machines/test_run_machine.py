"""Runs as a state machine: whatever Workers, callers and the connection do, each ends once, in a correct state."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule
from machines.lines import Cut
from machines.run_history import ATTEMPTS, TERMINAL, RunHistory, failure
from machines.stage import Died, Machine, Stage, cuts, play

from runwright.adapters.queue import engine
from runwright.control.runs import attempts, claims, queue_limits, runs
from runwright.control.runs.claims import Claim
from runwright.domain.deliveries import sinks
from runwright.domain.ids import RunId, WorkerId
from runwright.domain.retry import DONE, FollowUp
from runwright.domain.runs import Outcome, Run, RunRequest

_WORKERS = 3
_MOST_RUNS = 4
"""Few, so that much happens to each."""
_SINK = sinks.parse({"type": "webhook", "url": "https://example.com/hook"})
_ENDINGS = st.sampled_from(["completed", "failed", "failed for good"])
_A_MINUTE_OLDER = (
    "UPDATE runs SET created_at = created_at - interval '1 minute' WHERE project_id = $1"
)
_DUE = (
    "SELECT id FROM runs WHERE project_id = $1 AND status = 'pending' AND expires_at < now()"
    " AND worker_id IS NULL"
)
_FED_UP = (
    "UPDATE runs SET expires_at = now() - interval '1 second' WHERE id = $1 AND status = 'pending'"
)
_RUNS = (
    "SELECT id, kind, status, result, failure, cancellation, ended_at, attempt, fence, maximum_attempts,"
    " worker_id, cancel_requested_at, sealed_sink FROM runs WHERE project_id = $1"
)
_COUNTED = "SELECT label, sum(value)::int AS value FROM counters WHERE name = 'runs' GROUP BY 1"
_THERE = (
    "SELECT kind || ':' || status AS label, count(*)::int AS value FROM runs"
    " WHERE ended_at IS NOT NULL GROUP BY 1"
)


_workers = st.integers(0, _WORKERS - 1)


class RunMachine(Machine):
    """Runs of one project, with three Workers."""

    accepted = Bundle("accepted")

    def __init__(self) -> None:
        super().__init__()
        self.workers: list[WorkerId] = []
        self.known: set[str] = set()
        self.unheard = 0
        """Starts whose answer was never heard: the Run may be there or not."""
        self.fences: set[tuple[str, int]] = set()
        self.held: dict[tuple[str, int], Claim] = {}
        """By Run and Worker: what that one took and has not ended, whether it is still its own or not."""
        self.history = RunHistory()
        self.keys = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.workers = [self.begin_worker() for _ in range(_WORKERS)]

    # What callers do.

    @rule(target=accepted, maximum=st.integers(1, 3), has_key=st.booleans(), cut=cuts)
    def start(self, maximum: int, has_key: bool, cut: Cut | None) -> RunId:
        if len(self.known) >= _MOST_RUNS:
            return RunId(min(self.known))
        request = RunRequest(
            api="a", parameters={}, maximum_attempts=maximum, sink=None if has_key else _SINK
        )
        key = f"key {next(self.keys)}" if has_key else None
        try:
            run = self.once(lambda: self._start(request, key), cut)
        except Died:
            self.unheard += not has_key
            run = self.do(self._start(request, key))
        if has_key:
            assert self.do(self._start(request, key)).id == run.id
        self.known.add(run.id)
        return run.id

    @rule(run_id=accepted, cut=cuts)
    def cancel(self, run_id: RunId, cut: Cut | None) -> None:
        self.persist(lambda: runs.cancel(self.platform, self.project.id, run_id), cut)
        row = self._row(run_id)
        assert row["status"] in TERMINAL or row["cancel_requested_at"] is not None

    # What Workers do.

    @rule(run_id=accepted, worker=_workers, cut=cuts)
    def take(self, run_id: RunId, worker: int, cut: Cut | None) -> None:
        self._take(run_id, worker, cut)

    @rule(run_id=accepted)
    def all_take(self, run_id: RunId) -> None:
        """Every Worker takes a Run at once; at most one has it then."""
        # A Worker looks at nothing twice at once.
        free = [each for each in range(_WORKERS) if (run_id, each) not in self.held]

        async def together() -> list[Claim | FollowUp]:
            return await asyncio.gather(
                *(claims.take(self.platform, run_id, self.workers[each]) for each in free)
            )

        for worker, claim in zip(free, self.do(together()), strict=True):
            self._keep(claim, worker)
        fence = self._row(run_id)["fence"]
        assert sum(each.fence == fence for each in self._claims_of(run_id)) <= 1

    @rule(run_id=accepted, worker=_workers, how=_ENDINGS, cut=cuts)
    def end(self, run_id: RunId, worker: int, how: str, cut: Cut | None) -> None:
        if (claim := self._hold(run_id, worker)) is None:
            return
        outcome = _outcome(how)
        before = self._row(run_id)
        self.persist(lambda: attempts.end(self.platform, claim, outcome), cut)
        self._check_end(before, claim, outcome)
        del self.held[run_id, worker]

    @rule(run_id=accepted, worker=_workers, how=_ENDINGS)
    def end_while_it_is_canceled(self, run_id: RunId, worker: int, how: str) -> None:
        if (claim := self._hold(run_id, worker)) is None:
            return

        async def both() -> None:
            await asyncio.gather(
                attempts.end(self.platform, claim, _outcome(how)),
                runs.cancel(self.platform, self.project.id, claim.run_id),
            )

        self.do(both())
        del self.held[run_id, worker]

    @rule(run_id=accepted, worker=_workers, cut=cuts, is_counted=st.booleans())
    def let_go(self, run_id: RunId, worker: int, cut: Cut | None, is_counted: bool) -> None:
        if (claim := self._hold(run_id, worker)) is None:
            return
        before = self._row(run_id)
        is_ours = before["fence"] == claim.fence and before["status"] not in TERMINAL
        if is_counted:
            self.persist(lambda: claims.disown(self.platform, claim), cut)
        else:
            told = self.persist(lambda: claims.give_back(self.platform, claim), cut)
            assert told == is_ours
        after = self._row(run_id)
        assert after["attempt"] == before["attempt"] - (is_ours and not is_counted)
        assert not is_ours or after["worker_id"] is None
        del self.held[run_id, worker]

    @rule(run_id=accepted, worker=_workers)
    def ask_what_to_stop(self, run_id: RunId, worker: int) -> None:
        if (claim := self._hold(run_id, worker)) is None:
            return
        found = self.do(claims.interrupted(self.platform, [claim]))
        row = self._row(run_id)
        is_lost = row["fence"] != claim.fence or row["status"] in TERMINAL
        is_canceled = row["cancel_requested_at"] is not None
        assert found.get(run_id) == (is_lost if is_lost or is_canceled else None)

    # What befalls Workers.

    @rule(run_id=accepted, worker=_workers, how=_ENDINGS, cut=cuts)
    def die_in_the_end(self, run_id: RunId, worker: int, how: str, cut: Cut | None) -> None:
        """A Worker dies while it tells how an Attempt ended, or just after."""
        if (claim := self._hold(run_id, worker)) is None:
            return
        with contextlib.suppress(Died):
            self.once(lambda: attempts.end(self.platform, claim, _outcome(how)), cut)
        self._die(worker)

    @rule(run_id=accepted, worker=_workers, cut=cuts)
    def die_in_taking(self, run_id: RunId, worker: int, cut: Cut | None) -> None:
        if (run_id, worker) not in self.held:
            worker_id = self.workers[worker]
            with contextlib.suppress(Died):
                self.once(lambda: claims.take(self.platform, run_id, worker_id), cut)
        self._die(worker)

    @rule(worker=_workers, is_heard=st.booleans())
    def freeze_or_thaw(self, worker: int, is_heard: bool) -> None:
        """A Worker is not heard of, and works on; or is heard of again."""
        (self.hear if is_heard else self.silence)(self.workers[worker])

    # What goes wrong with the queue, and who mends it.

    @rule(run_id=accepted, cut=cuts)
    def lose_its_entry(self, run_id: RunId, cut: Cut | None) -> None:
        self.execute("DELETE FROM pgqueuer WHERE payload = convert_to($1, 'UTF8')", run_id)
        self.execute(_A_MINUTE_OLDER, self.project.id)
        self.persist(lambda: attempts.requeue_lost(self.platform, None), cut)
        assert self._without_entry() == []

    @rule(run_id=accepted, cut=cuts)
    def wait_too_long(self, run_id: RunId, cut: Cut | None) -> None:
        self.execute(_FED_UP, run_id)
        self.persist(lambda: queue_limits.expire_due(self.platform), cut)
        assert self.rows(_DUE, self.project.id) == []

    # What must be true after each step.

    @invariant()
    def everything_is_true(self) -> None:
        self.check_locks()
        self.history.go_on(self.rows(_RUNS, self.project.id), self.rows(ATTEMPTS, self.project.id))
        found = self.history.runs.keys()
        assert self.known <= found
        assert len(found - self.known) <= self.unheard

    def teardown(self) -> None:
        """All Workers die; a new one finds everything and ends it."""
        try:
            self._end_all()
            self.everything_is_true()
            for row in self.history.runs.values():
                assert row["status"] in TERMINAL, row
                told = self.rows("SELECT id FROM deliveries WHERE run_id = $1", row["id"])
                assert len(told) == (row["sealed_sink"] is not None)
            assert _by_label(self.rows(_COUNTED)) == _by_label(self.rows(_THERE))
        finally:
            self.execute("DELETE FROM runs WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM counters")
            self.execute("DELETE FROM pgqueuer")

    # How it is done.

    def _end_all(self) -> None:
        for worker_id in self.workers:
            self.silence(worker_id)
        last = self.begin_worker()
        self.execute(_A_MINUTE_OLDER, self.project.id)
        self.do(attempts.requeue_lost(self.platform, None))
        assert self._without_entry() == []
        for row in self.rows(_RUNS, self.project.id):
            for _ in range(row["maximum_attempts"] + 1):
                claim = self.do(claims.take(self.platform, row["id"], last))
                if claim == DONE:
                    break
                assert isinstance(claim, Claim)
                self.do(attempts.end(self.platform, claim, _outcome("failed")))

    async def _start(self, request: RunRequest, key: str | None) -> Run:
        return await runs.start(
            self.platform, self.project, request, idempotency_key=key, request_text=str(request)
        )

    def _take(self, run_id: RunId, worker: int, cut: Cut | None) -> None:
        if (run_id, worker) not in self.held:
            worker_id = self.workers[worker]
            claim = self.persist(lambda: claims.take(self.platform, run_id, worker_id), cut)
            self._keep(claim, worker)

    def _hold(self, run_id: RunId, worker: int) -> Claim | None:
        """Return what the Worker has of the Run; it takes it first, if it can."""
        self._take(run_id, worker, None)
        return self.held.get((run_id, worker))

    def _keep(self, claim: Claim | FollowUp, worker: int) -> None:
        if isinstance(claim, Claim):
            # A fence is given out once, whatever happens.
            assert (claim.run_id, claim.fence) not in self.fences
            self.fences.add((claim.run_id, claim.fence))
            self.held[claim.run_id, worker] = claim

    def _claims_of(self, run_id: str) -> list[Claim]:
        return [claim for (of_run, _), claim in self.held.items() if of_run == run_id]

    def _die(self, worker: int) -> None:
        """Let a Worker die, and another begin in its place."""
        self.silence(self.workers[worker])
        self.held = {key: claim for key, claim in self.held.items() if key[1] != worker}
        self.workers[worker] = self.begin_worker()

    def _check_end(self, before: dict[str, Any], claim: Claim, outcome: Outcome) -> None:
        after = self._row(claim.run_id)
        if before["fence"] != claim.fence or before["status"] != "started":
            assert after == before
        elif outcome.failure is None:
            assert (after["status"], after["result"]) == ("completed", outcome.result)
        elif outcome.failure.retryable and claim.attempt < claim.plan.maximum_attempts:
            assert (after["status"], after["worker_id"]) == ("started", None)
        else:
            assert after["status"] == "failed"

    def _row(self, run_id: str) -> dict[str, Any]:
        return next(row for row in self.rows(_RUNS, self.project.id) if row["id"] == run_id)

    def _without_entry(self) -> list[str]:
        found = self.rows(_RUNS, self.project.id)
        unfinished = [row["id"] for row in found if row["status"] not in TERMINAL]
        return self.do(engine.without_entry(self.stage.watch, unfinished))


def _outcome(how: str) -> Outcome:
    if how == "completed":
        return Outcome(result='"done"')
    return failure(is_retried=how == "failed")


def _by_label(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["label"]: row["value"] for row in rows if row["value"]}


async def test_runs_end_once_whatever_workers_and_the_line_to_the_database_do(
    stage: Stage,
) -> None:
    await play(RunMachine, stage)
