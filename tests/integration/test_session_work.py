"""AuthSession claims: which Runs are parked behind what, what an operation's end means, whose state is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from helpers.held import claimed, with_sessions

from runwright.control.auth_sessions import auth_sessions, sealed_sessions
from runwright.control.base.platform import Platform
from runwright.control.runs import claims, runs, session_claims
from runwright.control.runs.claims import Claim
from runwright.control.runs.session_claims import Mending
from runwright.domain.auth_sessions import SessionOperation, SessionPlan, SessionStatus
from runwright.domain.failures import Failure
from runwright.domain.projects import Project
from runwright.domain.runs import Outcome, RunRequest
from runwright.errors import Category, FailureCode
from runwright.storage import auth_sessions as rows, runs as run_rows

_USE = SessionPlan(id="s", check_attempts=1, create_attempts=1)
_STATE: dict[str, Any] = {"cookies": [], "origins": []}
_REPAIR = replace(_USE, operation=SessionOperation.REPAIR)
_FAILURE = Failure(
    code=FailureCode.CREATE_ATTEMPTS_FAILED, category=Category.AUTH, message="no", retryable=False
)


@pytest.fixture(name="project")
async def _project(make_project: Callable[..., Any]) -> Project:
    """Return a project with sessions."""
    return with_sessions(await make_project())


async def _end(platform: Platform, operation: Claim, outcome: Outcome) -> None:
    seen = await sealed_sessions.open_session(platform, operation.project_id, "s")
    made = None
    if seen is not None and outcome.failure is None:
        made = session_claims.made_of(platform, operation, seen, {**_STATE, "of": operation.run_id})
    await session_claims.end_operation(platform, operation, session_claims.ended(outcome), made)


async def _make_session(platform: Platform, project: Project) -> None:
    plan = replace(_USE, operation=SessionOperation.CREATE, parameters={"user": 1})
    operation = await auth_sessions.create(platform, project, plan)
    await _end(platform, await claimed(platform, operation.id), Outcome(result="1"))


async def _start(platform: Platform, project: Project, plan: SessionPlan = _USE) -> Claim:
    request = RunRequest(api="a", parameters={}, session=plan)
    run = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    return await claimed(platform, run.id)


async def _seen(platform: Platform, project: Project) -> sealed_sessions.Opened:
    found = await sealed_sessions.open_session(platform, project.id, "s")
    assert found is not None
    return found


async def _operation(platform: Platform, project: Project) -> str | None:
    async with platform.database.acquire() as connection:
        row = await run_rows.active_operation(connection, project.id, "s")
    return None if row is None else row.run.id


async def test_runs_that_need_a_session_mended_are_parked_behind_one_operation(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    first, second = await _start(platform, project), await _start(platform, project)
    seen = await _seen(platform, project)

    found = [
        await session_claims.mend(platform, claim, seen, replace(_REPAIR, is_check_due=False))
        for claim in (first, second)
    ]

    operation = await _operation(platform, project)
    parked = [await run_rows.get(platform.database, claim.run_id) for claim in (first, second)]
    assert found == [Mending.PARKED, Mending.PARKED]
    assert [row and (row.waits_for, row.worker_id) for row in parked] == [(operation, None)] * 2
    assert (await _seen(platform, project)).session.status is SessionStatus.EXPIRED


async def test_a_session_whose_check_is_still_due_is_not_taken_for_expired(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    claim = await _start(platform, project)

    await session_claims.mend(platform, claim, await _seen(platform, project), _REPAIR)

    assert (await _seen(platform, project)).session.status is SessionStatus.READY


async def test_a_run_looks_again_where_its_session_was_mended_or_removed_meanwhile(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    claim, seen = await _start(platform, project), await _seen(platform, project)
    update = replace(_USE, operation=SessionOperation.UPDATE, parameters={"user": 2})
    operation = await auth_sessions.update(platform, project, update)
    await _end(platform, await claimed(platform, operation.id), Outcome(result="1"))

    assert await session_claims.mend(platform, claim, seen, _REPAIR) is Mending.CHANGED
    await auth_sessions.delete(platform, project.id, "s")
    assert await session_claims.mend(platform, claim, seen, _REPAIR) is Mending.CHANGED
    assert await _operation(platform, project) is None


async def test_a_run_that_may_not_sign_in_begins_no_operation_and_waits_for_one_that_is_there(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    claim, seen = await _start(platform, project), await _seen(platform, project)
    plan = replace(_REPAIR, auto_recreate=False)

    assert await session_claims.mend(platform, claim, seen, plan) is Mending.IMPOSSIBLE
    assert await _operation(platform, project) is None
    await auth_sessions.validate(
        platform, project, replace(_USE, operation=SessionOperation.VALIDATE)
    )
    assert await session_claims.mend(platform, claim, seen, plan) is Mending.PARKED


async def test_a_worker_that_lost_a_run_parks_it_no_more(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    old = await _start(platform, project)
    seen = await _seen(platform, project)
    await claims.give_back(platform, old)
    new = await claimed(platform, old.run_id)

    await session_claims.mend(platform, old, seen, _REPAIR)

    row = await run_rows.get(platform.database, new.run_id)
    assert row is not None
    assert (row.waits_for, row.fence) == (None, new.fence)


@pytest.mark.parametrize(
    ("operation", "outcome", "is_completed", "is_final"),
    [
        (_REPAIR, Outcome(result="1"), True, False),
        (_REPAIR, Outcome(failure=_FAILURE), False, True),
        # The Run may not sign in, so what it waited for says nothing of its own check.
        (replace(_REPAIR, auto_recreate=False), Outcome(failure=_FAILURE), False, False),
        (
            replace(_USE, operation=SessionOperation.UPDATE, parameters={"user": 2}),
            Outcome(failure=_FAILURE),
            False,
            False,
        ),
        (_REPAIR, Outcome(cancellation=runs.cancelled_by_user()), False, True),
    ],
)
async def test_how_an_operation_ended_is_the_run_s_end_only_where_it_cannot_hope_for_more(
    platform: Platform,
    project: Project,
    operation: SessionPlan,
    outcome: Outcome,
    is_completed: bool,
    is_final: bool,
) -> None:
    await _make_session(platform, project)
    begin = (
        auth_sessions.update
        if operation.operation is SessionOperation.UPDATE
        else auth_sessions.validate
    )
    begun = await begin(platform, project, operation)
    run = await _start(platform, project)
    await session_claims.mend(platform, run, await _seen(platform, project), _REPAIR)
    await _end(platform, await claimed(platform, begun.id), outcome)

    waited = await session_claims.waited(platform, await claimed(platform, run.run_id))

    assert waited is not None
    assert waited.is_completed == is_completed
    assert (waited.failure is not None) == is_final


async def test_who_waited_for_nothing_is_told_of_nothing(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)

    assert await session_claims.waited(platform, await _start(platform, project)) is None


async def test_only_an_operation_that_is_still_its_worker_s_and_went_well_changes_the_session(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    before = await _seen(platform, project)
    begun = await auth_sessions.validate(platform, project, _REPAIR)
    old = await claimed(platform, begun.id)
    await claims.give_back(platform, old)
    new = await claimed(platform, begun.id)

    await _end(platform, old, Outcome(result="1"))
    assert await _seen(platform, project) == before
    made = session_claims.made_of(platform, new, before, _STATE)
    ending = session_claims.ended(Outcome(failure=_FAILURE))
    await session_claims.end_operation(platform, new, ending, made)

    assert await _seen(platform, project) == before
    assert await _operation(platform, project) is None


async def test_a_state_is_kept_for_the_generation_that_it_is_of(
    platform: Platform, project: Project
) -> None:
    await _make_session(platform, project)
    claim = await _start(platform, project)
    seen = await _seen(platform, project)
    mine, other = ({**_STATE, "by": name} for name in ("me", "somebody"))

    await session_claims.save(platform, replace(claim, generation=seen.generation + 1), other)
    await session_claims.note_passed(platform, claim, "s", seen.generation + 1, other)
    await session_claims.expire(platform, claim, "s", seen.generation + 1)
    assert await _seen(platform, project) == seen

    await session_claims.save(platform, replace(claim, generation=seen.generation), mine)
    assert (await _seen(platform, project)).state == mine
    await session_claims.expire(platform, claim, "s", seen.generation)
    await session_claims.note_passed(platform, claim, "s", seen.generation, None)
    passed = await _seen(platform, project)
    assert (passed.session.status, passed.state) == (SessionStatus.READY, mine)
    assert (await rows.get(platform.database, project.id, "s")) is not None
