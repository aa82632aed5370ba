"""Rows of AuthSessions: which state belongs to which, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from helpers.held import claimed

from runwright.control.base.platform import Platform
from runwright.control.runs import attempts, claims, runs
from runwright.domain.auth_sessions import SessionPlan, SessionStatus, SessionType
from runwright.domain.ids import ProjectId, WorkerId
from runwright.domain.projects import Project
from runwright.domain.retry import DONE
from runwright.domain.runs import RunKind, RunRequest, RunStatus
from runwright.errors import FailureCode
from runwright.storage import auth_sessions as rows
from runwright.storage.auth_sessions import NewSession, SessionRow


async def _make(platform: Platform, project_id: ProjectId, state: bytes | None) -> SessionRow:
    new = NewSession(
        project_id=project_id,
        id="s",
        type=SessionType.CREDENTIALS,
        status=SessionStatus.READY if state else SessionStatus.EXPIRED,
        sealed_state=state,
    )
    assert await rows.insert(platform.database, new)
    return await _get(platform, project_id)


async def _get(platform: Platform, project_id: ProjectId) -> SessionRow:
    found = await rows.get(platform.database, project_id, "s")
    assert found is not None
    return found


async def test_a_session_that_is_made_again_gets_nothing_of_the_old_ones(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project_id = (await make_project()).id
    old = await _make(platform, project_id, b"the old account's")
    await rows.forget(platform.database, project_id, "s")
    new = await _make(platform, project_id, b"the new account's")

    # What a Run, a check and a repair do that began with the old one.
    await rows.save(platform.database, project_id, "s", old.generation, b"late cookies")
    await rows.note_passed(platform.database, project_id, "s", old.generation, b"late cookies")
    await rows.expire(platform.database, project_id, "s", old.generation)

    assert await _get(platform, project_id) == new


async def test_workers_that_die_as_they_check_leave_crashed_checks_and_so_many_fail_the_run(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project = _with_sessions(await make_project())
    await _make(platform, project.id, b"state")
    request = RunRequest(api="a", parameters={}, session=SessionPlan(id="s"))
    run = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    parts: list[str] = []
    for _ in range(platform.settings.max_crashes):
        claim = await claimed(platform, run.id)
        part = await attempts.begin_part(platform, claim, RunKind.CHECK, claim.plan)
        assert part is not None
        assert (part.parent_id, part.kind, part.attempt) == (run.id, RunKind.CHECK, 1)
        parts.append(part.run_id)

    assert await claims.take(platform, run.id, WorkerId(uuid4())) == DONE

    found = await runs.detail(platform, project.workspace_id, run.id)
    assert [each.id for each in found.parts] == parts
    for each in (found.run, *found.parts):
        assert each.status is RunStatus.FAILED
        assert each.failure is not None
        assert each.failure.code is FailureCode.PROCESS_CRASHED
    assert found.attempts == ()


def _with_sessions(project: Project) -> Project:
    assert project.current is not None
    assert project.current.manifest is not None
    manifest = project.current.manifest
    settings = replace(manifest.settings, has_auth_sessions=True, can_create_sessions=True)
    current = replace(project.current, manifest=replace(manifest, settings=settings))
    return replace(project, current=current)


async def test_a_session_that_a_create_makes_has_a_generation_of_its_own(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project_id = (await make_project()).id
    seen: set[int] = set()
    for _ in range(2):
        await _make(platform, project_id, None)
        for _ in range(2):
            await rows.renew(
                platform.database,
                project_id,
                "s",
                sealed_state=b"state",
                input_digest="digest",
                sealed_parameters=None,
                sealed_proxy=None,
            )
            seen.add((await _get(platform, project_id)).generation)
        await rows.forget(platform.database, project_id, "s")

    assert len(seen) == 4
