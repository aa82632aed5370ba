"""What a Worker tells of the Runs that it has claimed, call by call, and what a claim tells the Worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from helpers.held import claimed, with_sessions

from runwright import telemetry
from runwright.control.base.platform import Platform
from runwright.control.jobs import job_runs, jobs
from runwright.control.runs import attempts, claims, runs
from runwright.control.runs.claims import Claim
from runwright.domain.auth_sessions import SessionPlan, SessionStatus, SessionType
from runwright.domain.deliveries import sinks
from runwright.domain.failures import Failure
from runwright.domain.ids import RunId, WorkerId
from runwright.domain.jobs import job_text
from runwright.domain.jobs.jobs import JobRunStatus
from runwright.domain.projects import Project
from runwright.domain.retry import DONE, LookAgain
from runwright.domain.runs import (
    AttemptStatus,
    Cancellation,
    ExtendedPayload,
    LogLine,
    Outcome,
    Run,
    RunDetail,
    RunFile,
    RunKind,
    RunRequest,
    RunStatus,
)
from runwright.errors import CancelReason, Category, FailureCode
from runwright.storage import auth_sessions as session_rows, run_outputs, runs as rows
from runwright.storage.auth_sessions import NewSession

_FAILURE = Failure(
    code=FailureCode.EXECUTION_EXCEPTION, category=Category.EXECUTION, message="no", retryable=True
)
_CANCELED = Cancellation(reason=CancelReason.CANCELLED_USER_ACTION, message="enough")
_BAD_SESSION = Cancellation(
    reason=CancelReason.AUTH_SESSION_VALIDATE_DEPENDENCY_FAILED, message="The session is bad."
)
_USE = SessionPlan(id="s")
_BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SINK = sinks.parse({"type": "webhook", "url": "https://example.com/"})


@pytest.fixture(name="project")
async def _project(make_project: Callable[..., Any]) -> Project:
    return await make_project()


def _session(project: Project) -> NewSession:
    return NewSession(
        project_id=project.id,
        id="s",
        type=SessionType.CREDENTIALS,
        status=SessionStatus.READY,
        sealed_state=b"state",
    )


async def _begin(platform: Platform, project: Project, **more: Any) -> Claim:
    """Start a Run and claim it."""
    return await claimed(platform, (await _start(platform, project, **more)).id)


async def _start(platform: Platform, project: Project, **more: Any) -> Run:
    """Start a Run, with its session where it has one."""
    if "session" in more:
        project = with_sessions(project)
        await session_rows.insert(platform.database, _session(project))
    given: dict[str, Any] = {"maximum_attempts": 2, **more}
    request = RunRequest(api="a", parameters={}, **given)
    return await runs.start(platform, project, request, idempotency_key=None, request_text="")


async def _detail(platform: Platform, project: Project, run_id: str) -> RunDetail:
    return await runs.detail(platform, project.workspace_id, run_id)


async def test_the_attempt_of_a_run_with_a_session_begins_by_itself_while_the_claim_holds(
    platform: Platform, project: Project
) -> None:
    claim = await _begin(platform, project, session=_USE)
    assert claim.attempt == 0

    assert await attempts.begin(platform, claim) == replace(claim, attempt=1)

    later = await claimed(platform, claim.run_id)
    assert await attempts.begin(platform, claim) is None
    assert await attempts.begin(platform, later) == replace(later, attempt=2)


async def test_a_check_is_a_run_of_its_own_with_attempts_of_its_own(
    platform: Platform, project: Project
) -> None:
    lost = await _begin(platform, project, session=_USE, sink=_SINK)
    claim = replace(await claimed(platform, lost.run_id), earlier=(_FAILURE,))
    plan = replace(claim.plan, api="check", maximum_attempts=3)

    part = await attempts.begin_part(platform, claim, RunKind.CHECK, plan)
    assert part is not None
    assert claim.has_followers
    assert part == replace(
        claim,
        run_id=part.run_id,
        parent_id=claim.run_id,
        kind=RunKind.CHECK,
        fence=1,
        attempt=1,
        plan=plan,
        earlier=(),
        has_followers=False,
    )
    assert part.run_id != claim.run_id
    assert await attempts.end(platform, part, Outcome(failure=_FAILURE)) == LookAgain(timedelta(0))
    second = await attempts.again(platform, part, WorkerId(uuid4()), _FAILURE)
    assert second is not None
    assert second == replace(part, fence=2, attempt=2, earlier=(_FAILURE,))
    assert await attempts.end(platform, second, Outcome(result="true")) == DONE

    assert await attempts.again(platform, second, WorkerId(uuid4()), _FAILURE) is None
    (found,) = (await _detail(platform, project, claim.run_id)).parts
    assert (found.id, found.kind, found.status) == (
        part.run_id,
        RunKind.CHECK,
        RunStatus.COMPLETED,
    )


async def test_a_worker_that_lost_a_run_begins_nothing_for_it(
    platform: Platform, project: Project
) -> None:
    old = await _begin(platform, project, session=_USE)
    await claimed(platform, old.run_id)

    assert await attempts.begin_part(platform, old, RunKind.CHECK, old.plan) is None
    assert (await _detail(platform, project, old.run_id)).parts == ()


@pytest.mark.parametrize("more", [{}, {"sink": _SINK}], ids=["alone", "with a sink"])
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(result='"r"'), RunStatus.COMPLETED),
        (Outcome(failure=replace(_FAILURE, retryable=False)), RunStatus.FAILED),
        (Outcome(cancellation=_CANCELED), RunStatus.CANCELED),
    ],
    ids=["completed", "failed", "canceled"],
)
async def test_an_end_keeps_all_that_is_known_of_the_attempt(
    platform: Platform, project: Project, outcome: Outcome, status: RunStatus, more: dict[str, Any]
) -> None:
    claim = await _begin(platform, project, **more)
    payload = ExtendedPayload(api="a", parameters={"n": 1})
    extended = (payload,) if outcome.result else ()
    outcome = replace(
        outcome, author_started_at=_BEGAN, attributes={"k": 1}, extended_payloads=extended
    )

    assert await attempts.end(platform, claim, outcome) == DONE

    found = await _detail(platform, project, claim.run_id)
    (attempt,) = found.attempts
    assert (found.run.status, attempt.status.value) == (status, status.value)
    assert (found.run.result, found.run.failure, found.run.cancellation) == (
        outcome.result,
        outcome.failure,
        outcome.cancellation,
    )
    assert (attempt.failure, attempt.author_started_at) == (outcome.failure, _BEGAN)
    assert (found.run.attributes, found.run.extended_payloads) == ({"k": 1}, extended)


async def test_an_attempt_that_is_repeated_leaves_what_it_said_and_a_run_that_goes_on(
    platform: Platform, project: Project
) -> None:
    slow = replace(platform, settings=replace(platform.settings, retry_delay=timedelta(seconds=7)))
    claim = await _begin(platform, project)
    outcome = Outcome(failure=_FAILURE, author_started_at=_BEGAN, attributes={"k": 1})

    assert await attempts.end(slow, claim, outcome) == LookAgain(timedelta(seconds=7))

    found = await _detail(platform, project, claim.run_id)
    (attempt,) = found.attempts
    assert (found.run.status, found.run.failure) == (RunStatus.STARTED, None)
    assert (attempt.status, attempt.failure) == (AttemptStatus.FAILED, _FAILURE)
    assert (attempt.author_started_at, found.run.attributes) == (_BEGAN, {"k": 1})
    # Who has lost the Run has nothing to look at again.
    assert (await claimed(platform, claim.run_id)).earlier == (_FAILURE,)
    assert await attempts.end(slow, claim, outcome) == DONE


async def test_only_what_took_its_worker_along_counts_as_a_crash(
    platform: Platform, project: Project
) -> None:
    claim = await _begin(platform, project, maximum_attempts=50)
    for _ in range(platform.settings.max_crashes):
        await attempts.end(platform, claim, Outcome(failure=_FAILURE))
        claim = await claimed(platform, claim.run_id)

    again = await claimed(platform, claim.run_id)

    assert again.attempt == platform.settings.max_crashes + 2
    assert [each.code for each in again.earlier] == [
        *[_FAILURE.code] * platform.settings.max_crashes,
        FailureCode.PROCESS_CRASHED,
    ]


async def _begin_item(
    platform: Platform, project: Project, **configuration: Any
) -> tuple[str, Claim]:
    payload = [{"apiName": "a", "parameters": {}}] * 2
    plan = job_text.parse(
        {"payload": payload, "configuration": {"maxConcurrentRequests": 1, **configuration}}
    )
    await jobs.create(platform, project, "j", plan)
    begun = await jobs.trigger(platform, project, "j", idempotency_key=None, request_text="")
    (run_id,) = await platform.database.fetchrow("SELECT id FROM runs WHERE turn IS NOT NULL")
    return begun.job_run.id, await claimed(platform, run_id)


async def test_an_item_whose_session_is_bad_is_held_back_and_its_job_run_paused(
    platform: Platform, project: Project
) -> None:
    job_run_id, claim = await _begin_item(platform, project)

    assert await attempts.end(platform, claim, Outcome(cancellation=_BAD_SESSION)) == DONE

    found = await job_runs.get(platform, project.id, "j", job_run_id)
    assert found.status is JobRunStatus.PAUSED
    assert "The session is bad." in (found.message or "")
    row = await rows.get(platform.database, claim.run_id)
    assert row is not None
    assert (row.run.status.is_terminal, row.run.cancellation, row.turn) == (False, None, None)


async def test_an_item_that_was_lost_pauses_nothing(platform: Platform, project: Project) -> None:
    job_run_id, old = await _begin_item(platform, project, retry={"maximumAttempts": 3})
    new = await claimed(platform, old.run_id)

    await attempts.end(platform, old, Outcome(cancellation=_BAD_SESSION))

    found = await job_runs.get(platform, project.id, "j", job_run_id)
    assert found.status is not JobRunStatus.PAUSED
    await attempts.end(platform, new, Outcome(result="1"))
    assert (await _detail(platform, project, old.run_id)).run.status is RunStatus.COMPLETED


@pytest.mark.parametrize("outcome", [Outcome(cancellation=_CANCELED), Outcome(result="1")])
async def test_an_item_that_ends_otherwise_leaves_its_job_run_going_on(
    platform: Platform, project: Project, outcome: Outcome
) -> None:
    job_run_id, claim = await _begin_item(platform, project)

    await attempts.end(platform, claim, outcome)

    found = await job_runs.get(platform, project.id, "j", job_run_id)
    assert found.status is not JobRunStatus.PAUSED
    run = (await _detail(platform, project, claim.run_id)).run
    assert (run.status.is_terminal, run.cancellation) == (True, outcome.cancellation)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_an_item_of_a_job_run_that_was_terminated_says_so_whoever_ends_it(
    platform: Platform, project: Project, is_lost: bool
) -> None:
    job_run_id, claim = await _begin_item(platform, project)
    await job_runs.terminate(platform, project.id, "j", job_run_id)

    if is_lost:
        assert await claims.take(platform, claim.run_id, WorkerId(uuid4())) == DONE
    else:
        await attempts.end(platform, claim, Outcome(cancellation=_BAD_SESSION))

    run = (await _detail(platform, project, claim.run_id)).run
    assert run.status is RunStatus.CANCELED
    assert run.cancellation is not None
    assert run.cancellation.reason is CancelReason.JOB_RUN_TERMINATED
    assert run.cancellation.message == "The job run was terminated."


async def test_a_file_wakes_who_waits_for_the_run(platform: Platform, project: Project) -> None:
    claim = await _begin(platform, project)
    file = RunFile(
        id=0, attempt=1, kind="trace", name="t", size_bytes=1, blob="b", created_at=_BEGAN
    )

    with platform.signals.subscribe(f"run:{claim.run_id}") as woken:
        woken.clear()
        await attempts.add_file(platform, claim, file)
        async with asyncio.timeout(60):
            await woken.wait()

    (found,) = (await _detail(platform, project, claim.run_id)).files
    assert (found.kind, found.name, found.size_bytes, found.blob) == ("trace", "t", 1, "b")


async def test_lines_are_of_the_attempt_that_says_them_and_newer_ones_take_the_place_of_older(
    platform: Platform, project: Project
) -> None:
    first = await _begin(platform, project)
    second = await claimed(platform, first.run_id)

    def line(text: str, id_: int = 0) -> LogLine:
        return LogLine(id=id_, attempt=0, at=_BEGAN, stream="stdout", level="info", text=text)

    await attempts.add_log_lines(platform, first, [line("a")])
    ids = await attempts.add_log_tail(platform, second, [line("b"), line("c")], [], None)
    (newest,) = await attempts.add_log_tail(
        platform, second, [line("d")], ids[:1], line("left out", ids[1])
    )

    found = await run_outputs.log_lines(platform.database, first.run_id, after=0, limit=9)
    assert [(each.attempt, each.text) for each in found] == [(1, "a"), (2, "left out"), (2, "d")]
    assert (found[1].id, found[2].id) == (ids[1], newest)


async def test_a_claim_says_which_request_the_run_was_started_by(
    platform: Platform, project: Project
) -> None:
    token = telemetry.correlation_id.set("the request")
    try:
        claim = await _begin(platform, project, maximum_attempts=3)
    finally:
        telemetry.correlation_id.reset(token)
    parent = f"00-{'1' * 32}-{'2' * 16}-01"
    await platform.database.execute("UPDATE runs SET trace_parent = $1", parent)

    again = await claimed(platform, claim.run_id)

    assert (claim.correlation_id, again.correlation_id) == ("the request", "the request")
    assert (claim.trace_parent, again.trace_parent) == (None, parent)
    assert claim.waited_for is None


@pytest.mark.parametrize(
    ("more", "is_given_back"), [({}, False), ({"session": _USE}, False), ({"session": _USE}, True)]
)
async def test_a_run_that_was_not_begun_in_its_time_is_canceled_by_who_takes_it(
    platform: Platform, project: Project, more: dict[str, Any], is_given_back: bool
) -> None:
    run = await _start(platform, project, **more)
    if is_given_back:
        # Its Worker saw to the session, and was stopped.
        await claims.give_back(platform, await claimed(platform, run.id))
    await platform.database.execute("UPDATE runs SET expires_at = now() - interval '1 second'")

    assert await claims.take(platform, run.id, WorkerId(uuid4())) == DONE

    found = (await _detail(platform, project, run.id)).run
    assert found.status is RunStatus.CANCELED
    assert found.cancellation is not None
    assert found.cancellation.reason is CancelReason.TERMINATED


@pytest.mark.parametrize("more", [{}, {"session": _USE}], ids=["plain", "with a session"])
async def test_a_run_that_was_begun_in_time_outlives_its_time_to_live(
    platform: Platform, project: Project, more: dict[str, Any]
) -> None:
    claim = await _begin(platform, project, **more)
    await platform.database.execute("UPDATE runs SET expires_at = now() - interval '1 second'")

    again = await claimed(platform, claim.run_id)

    assert again.fence == claim.fence + 1


async def test_a_run_that_waited_for_an_operation_says_for_which(
    platform: Platform, project: Project
) -> None:
    claim = await _begin(platform, project, session=_USE)
    assert await rows.park(platform.database, claim.run_id, claim.fence, RunId("operation"))

    assert (await claimed(platform, claim.run_id)).waited_for == "operation"
