"""AuthSessions as a state machine: however they are created, changed, repaired and removed, states never mix."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from machines.flows import FlowMachine
from machines.lines import Cut
from machines.run_history import TERMINAL, failure
from machines.stage import Died, Stage, cuts, play

from runwright.control.auth_sessions import auth_sessions, sealed_sessions
from runwright.control.runs import runs
from runwright.domain.auth_sessions import SessionOperation, SessionPlan, SessionStatus, SessionType
from runwright.domain.runs import Outcome, RunKind, RunRequest
from runwright.errors import Conflict, NotFound, ValidationError
from runwright.execution.attempts.running_attempt import RunningAttempt

_SESSION = "s"
_MOST_RUNS = 4
_SESSIONS = (
    "SELECT id, type, status, generation, created_at, only_for FROM auth_sessions"
    " WHERE project_id = $1"
)


class SessionMachine(FlowMachine):
    """A session, Runs that use it, and Runs with sessions of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts = 0
        self.started: list[str] = []
        self.states: dict[int, tuple[Any, Any]] = {}
        """By generation: of which life of the session, and whose state."""
        self.give_sessions()

    @initialize(is_there=st.booleans())
    def begin(self, is_there: bool) -> None:
        super().begin()
        if is_there:
            self._ask(SessionOperation.CREATE, None)
            self.end_all(by=0)

    def outcome(self, running: RunningAttempt, how: str) -> Outcome:
        """Sign in as the account that the parameters name, and keep to it."""
        claim = running.claim
        if how != "well":
            return failure(is_retried=how == "badly")
        match claim.kind:
            case RunKind.CREATE:
                return Outcome(result="null", auth_state=_state(claim.plan.parameters["account"]))
            case RunKind.CHECK:
                return Outcome(result="true", auth_state=claim.auth_state)
            case _:
                return Outcome(result="1", auth_state=claim.auth_state)

    # What callers do.

    @rule(
        what=st.sampled_from(
            [SessionOperation.CREATE, SessionOperation.UPDATE, SessionOperation.VALIDATE, None]
        ),
        cut=cuts,
    )
    def change(self, what: SessionOperation | None, cut: Cut | None) -> None:
        """Somebody makes, changes, checks or removes the session."""
        if what is not None:
            self._ask(what, cut)
            return
        with contextlib.suppress(NotFound):
            self.persist(
                lambda: auth_sessions.delete(self.platform, self.project.id, _SESSION), cut
            )

    @rule(is_own=st.booleans(), maximum=st.integers(1, 2), auto_recreate=st.booleans(), cut=cuts)
    def start(self, is_own: bool, maximum: int, auto_recreate: bool, cut: Cut | None) -> None:
        if len(self.started) >= _MOST_RUNS:
            return
        plan = SessionPlan(
            id="" if is_own else _SESSION,
            auto_recreate=auto_recreate,
            check_attempts=1,
            create_attempts=2,
            parameters=self._parameters() if is_own else None,
        )
        request = RunRequest(api="a", parameters={}, maximum_attempts=maximum, session=plan)

        async def begin() -> None:
            run = await runs.start(
                self.platform, self.project, request, idempotency_key=None, request_text=""
            )
            self.started.append(run.id)

        with contextlib.suppress(Died, ValidationError):
            self.once(begin, cut)

    @rule(choice=st.integers(0, 3), cut=cuts)
    def cancel(self, choice: int, cut: Cut | None) -> None:
        if self.started:
            run_id = self.started[choice % len(self.started)]
            self.persist(lambda: runs.cancel(self.platform, self.project.id, run_id), cut)

    def check(self) -> None:
        """See whose state everybody has, and that what is to be made is being made."""
        self._check_states()
        self._check_holders()
        self._check_operations()

    def _check_states(self) -> None:
        for row in self.rows(_SESSIONS, self.project.id):
            opened = self.do(
                sealed_sessions.open_session(self.platform, self.project.id, row["id"])
            )
            assert opened is not None
            assert (opened.state is None) == (row["generation"] == 0)
            if opened.state is None:
                continue
            seen = ((row["id"], row["created_at"]), opened.state["account"])
            assert self.states.setdefault(row["generation"], seen) == seen
            if opened.parameters is not None:
                assert opened.state["account"] == opened.parameters["account"]

    def _check_holders(self) -> None:
        for asked in self.asked:
            claim = asked.running.claim
            if claim.kind is RunKind.API and claim.generation:
                assert claim.auth_state is not None
                assert claim.auth_state["account"] == self.states[claim.generation][1]

    def _check_operations(self) -> None:
        operations = [
            row
            for row in self.history.runs.values()
            if row["kind"] == RunKind.OPERATION and row["status"] not in TERMINAL
        ]
        busy = [row["auth_session_id"] for row in operations]
        assert len(busy) == len({*busy})
        for row in self.rows(_SESSIONS, self.project.id):
            if (row["type"], row["status"]) == (SessionType.CREDENTIALS, SessionStatus.PENDING):
                assert row["id"] in busy
            if row["only_for"] is not None:
                assert self.history.runs[row["only_for"]]["status"] not in TERMINAL

    def check_the_end(self) -> None:
        """See that no session waits for anything."""
        for row in self.rows(_SESSIONS, self.project.id):
            assert row["status"] != SessionStatus.PENDING
            assert row["only_for"] is None

    def _ask(self, operation: SessionOperation, cut: Cut | None) -> None:
        plan = SessionPlan(
            id=_SESSION,
            operation=operation,
            check_attempts=1,
            create_attempts=2,
            parameters=None if operation is SessionOperation.VALIDATE else self._parameters(),
        )
        ask = getattr(auth_sessions, operation.value)
        with contextlib.suppress(Died, Conflict, NotFound, ValidationError):
            self.once(lambda: ask(self.platform, self.project, plan), cut)

    def _parameters(self) -> dict[str, Any]:
        self.accounts += 1
        return {"account": self.accounts}


def _state(account: int) -> dict[str, Any]:
    return {"cookies": [], "origins": [], "account": account}


async def test_a_session_has_the_state_of_its_own_account_whatever_comes_between(
    stage: Stage,
) -> None:
    await play(SessionMachine, stage)
