"""Machines whose Workers execute Runs like the product does, on the real queue, without a browser: the machine responds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from helpers.held import with_sessions
from helpers.server import eventually_async
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from machines.lines import Cut
from machines.run_history import ATTEMPTS, TERMINAL, RunHistory
from machines.stage import Machine, cuts
from runwright.control.base import queues
from runwright.control.jobs import job_runs
from runwright.control.runs import attempts
from runwright.domain.ids import DeploymentId, WorkerId
from runwright.domain.retry import AT_ONCE, DONE, FollowUp
from runwright.domain.runs import Outcome
from runwright.execution.attempts.attempt_executor import AttemptExecutor
from runwright.execution.attempts.running_attempt import RunningAttempt
from runwright.execution.flows.run_flow import RunFlow

WORKERS = 2
RUNS = (
    "SELECT id, kind, parent_id, auth_session_id, status, result, failure, cancellation, ended_at,"
    " attempt, fence, maximum_attempts, worker_id, waits_for, turn, sealed_session, job_run_id,"
    " position, cancel_requested_at FROM runs WHERE project_id = $1 ORDER BY created_at, id"
)
_OLDER = "UPDATE {} SET created_at = created_at - interval '1 minute' WHERE project_id = $1"
_ENTRIES = (
    "SELECT id, entrypoint, convert_from(payload, 'UTF8') AS thing, status FROM pgqueuer"
    " ORDER BY id"
)
_ROUNDS = 300
_LAST = -1
"""The place of the Worker that ends everything."""


@dataclass(eq=False, kw_only=True)
class Asked:
    """An Attempt at work, whose end the machine says."""

    running: RunningAttempt
    task: asyncio.Task[Any] | None
    answer: asyncio.Future[Outcome]


class _Hands(AttemptExecutor):
    """Carries out Attempts by asking the machine how they end."""

    def __init__(self, asked: list[Asked]) -> None:
        self._asked = asked

    async def fetch(self, deployment_id: DeploymentId) -> None:
        """Every Deployment is there."""

    async def execute(self, running: RunningAttempt) -> Outcome:
        """Wait for the machine."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        asked = Asked(running=running, task=asyncio.current_task(), answer=answer)
        self._asked.append(asked)
        try:
            return await answer
        finally:
            self._asked.remove(asked)


@dataclass(eq=False, kw_only=True)
class _Look:
    """An entry of the queue in a Worker's hands."""

    entry: int
    task: asyncio.Task[FollowUp]


@dataclass(eq=False, kw_only=True)
class _Hand:
    """A Worker in a place."""

    id: WorkerId
    flow: RunFlow
    looks: list[_Look] = field(default_factory=list[_Look])
    is_heard: bool = True


class FlowMachine(Machine):
    """Workers with the queue of one project; what callers do is up to the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.hands: dict[int, _Hand] = {}
        self.history = RunHistory()

    def begin(self) -> None:
        """Let the Workers begin."""
        for place in range(WORKERS):
            self._hire(place)

    def outcome(self, running: RunningAttempt, how: str) -> Outcome:
        """Return how an Attempt ends: `well`, `badly`, or `for good`."""
        raise NotImplementedError

    def give_sessions(self) -> None:
        """Let the project have AuthSessions, which its code can create."""
        self.project = with_sessions(self.project)

    # What Workers do.

    @rule(worker=st.integers(0, WORKERS - 1), choice=st.integers(0, 5), cut=cuts)
    def look(self, worker: int, choice: int, cut: Cut | None) -> None:
        """A Worker is handed an entry."""
        entries = self._to_hand_out()
        if entries:
            self._look(worker, entries[choice % len(entries)], cut)

    @rule(
        choice=st.integers(0, 5),
        how=st.sampled_from(["well", "well", "badly", "for good"]),
        cut=cuts,
    )
    def answer(self, choice: int, how: str, cut: Cut | None) -> None:
        """An Attempt at work ends."""
        # No precondition: who is at work after a cut may differ when hypothesis plays it again.
        if self.asked:
            self._answer(self.asked[choice % len(self.asked)], how, cut)

    @rule(
        worker=st.integers(0, WORKERS - 1),
        what=st.sampled_from(["dies", "freezes", "thaws", "looks what is to stop", "sweeps"]),
        cut=cuts,
    )
    def befall(self, worker: int, what: str, cut: Cut | None) -> None:
        """A Worker dies; or is not heard of, and works on; or does what it does now and then."""
        hand = self.hands[worker]
        match what:
            case "dies":
                self._fire(worker)
                self._hire(worker)
            case "freezes":
                self.silence(hand.id)
                hand.is_heard = False
            case "thaws":
                self.hear(hand.id)
                hand.is_heard = True
            case "sweeps":
                self._sweep(cut)
            case _:
                self.persist(hand.flow.interrupt_canceled_or_lost, cut)

    # What must be true after each step.

    @invariant()
    def everything_is_true(self) -> None:
        self.check_locks()
        self._check_runs()
        self.check()

    def _check_runs(self) -> None:
        runs = self.rows(RUNS, self.project.id)
        self.history.go_on(runs, self.rows(ATTEMPTS, self.project.id))
        for row in runs:
            parent = self.history.runs.get(row["parent_id"])
            assert parent is None or parent["status"] not in TERMINAL or row["status"] in TERMINAL
            assert row["status"] not in TERMINAL or row["sealed_session"] is None

    def teardown(self) -> None:
        """All Workers die; a new one finds everything and ends it."""
        try:
            for place in list(self.hands):
                self._fire(place)
            self._hire(_LAST)
            self.let_go_on()
            self.end_all(by=_LAST)
            self.everything_is_true()
            self.check_the_end()
        finally:
            for place in list(self.hands):
                self._fire(place)
            self.forget()

    def end_all(self, by: int) -> None:
        """Let a Worker carry out all that is to be done; everything goes well."""
        for _ in range(_ROUNDS):
            if self.asked:
                self._answer(self.asked[0], "well", None)
                continue
            self._sweep(None)
            entries = self._to_hand_out()
            if not entries:
                break
            for entry in entries:
                self._look(by, entry, None)
        found = self.rows(RUNS, self.project.id)
        unfinished = [row for row in found if row["status"] not in TERMINAL]
        assert not unfinished, unfinished

    def check(self) -> None:
        """See that what the machine is about is true; `history.runs` has the Runs as they are."""

    def let_go_on(self) -> None:
        """Have what waits for a person go on."""

    def check_the_end(self) -> None:
        """See that everything is as it must be once all is over."""

    def forget(self) -> None:
        """Leave nothing to the next life."""
        self.execute("DELETE FROM pgqueuer")
        self.execute("DELETE FROM auth_sessions WHERE project_id = $1", self.project.id)
        self.execute("UPDATE runs SET waits_for = NULL WHERE project_id = $1", self.project.id)
        self.execute("DELETE FROM deliveries WHERE project_id = $1", self.project.id)
        self.execute("DELETE FROM runs WHERE project_id = $1", self.project.id)
        self.execute("DELETE FROM job_runs WHERE project_id = $1", self.project.id)
        self.execute("DELETE FROM jobs WHERE project_id = $1", self.project.id)

    # How it is done.

    def _hire(self, place: int) -> None:
        worker_id = self.begin_worker()
        flow = RunFlow(self.platform, worker_id, _Hands(self.asked))
        self.hands[place] = _Hand(id=worker_id, flow=flow)

    def _fire(self, place: int) -> None:
        """Let a Worker die: what it was handed stays with it until somebody finds that it is gone."""
        hand = self.hands.pop(place)
        self.silence(hand.id)

        async def stop() -> None:
            for look in hand.looks:
                look.task.cancel()
            await asyncio.gather(*(look.task for look in hand.looks), return_exceptions=True)

        self.do(stop())

    def _to_hand_out(self) -> list[dict[str, Any]]:
        """Return what waits in the queue, or was handed to a Worker that is not heard of."""
        held = {look.entry for hand in self.hands.values() if hand.is_heard for look in hand.looks}
        return [row for row in self.rows(_ENTRIES) if row["id"] not in held]

    def _look(self, place: int, entry: dict[str, Any], cut: Cut | None) -> None:
        hand = self.hands[place]
        if any(look.entry == entry["id"] for look in hand.looks):
            return
        self.execute("UPDATE pgqueuer SET status = 'picked' WHERE id = $1", entry["id"])

        async def begin() -> None:
            task = asyncio.ensure_future(self._handle(hand, entry))
            hand.looks.append(_Look(entry=entry["id"], task=task))

        self._step(begin, cut)

    async def _handle(self, hand: _Hand, entry: dict[str, Any]) -> FollowUp:
        try:
            if entry["entrypoint"] == queues.JOB_RUNS:
                return await job_runs.look(self.platform, entry["thing"])
            return await hand.flow.handle(entry["thing"])
        except Exception:
            # As the Consumer does: it comes again.
            if not self.stage.line.has_broken:
                raise
            return AT_ONCE

    def _answer(self, asked: Asked, how: str, cut: Cut | None) -> None:
        outcome = self.outcome(asked.running, how)

        async def say() -> None:
            asked.answer.set_result(outcome)

        self._step(say, cut)

    def _step(self, begin: Any, cut: Cut | None) -> None:
        """Do something, and wait until every Worker is through with what followed, or asks."""
        self.stage.line.break_at(cut)
        try:
            self.do(begin())
            self.do(eventually_async(self._has_settled))
        finally:
            self.stage.line.break_at(None)
        for hand in self.hands.values():
            for look in [each for each in hand.looks if each.task.done()]:
                hand.looks.remove(look)
                if look.task.result() == DONE:
                    self.execute("DELETE FROM pgqueuer WHERE id = $1", look.entry)
                else:
                    self.execute("UPDATE pgqueuer SET status = 'queued' WHERE id = $1", look.entry)

    async def _has_settled(self) -> bool:
        asking = {asked.task for asked in self.asked if not asked.answer.done()}
        return all(
            look.task.done() or look.task in asking
            for hand in self.hands.values()
            for look in hand.looks
        )

    def _sweep(self, cut: Cut | None) -> None:
        self.execute(_OLDER.format("runs"), self.project.id)
        self.execute(_OLDER.format("job_runs"), self.project.id)
        self.persist(lambda: attempts.requeue_lost(self.platform, None), cut)
        self.persist(lambda: job_runs.requeue_lost(self.platform, None), cut)
