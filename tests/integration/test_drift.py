"""Results are examined once, after the fact, and not at all where drift detection is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers.held import claimed

from runwright.control.base.platform import Platform
from runwright.control.insight import drift
from runwright.control.runs import attempts, runs
from runwright.domain.projects import Project
from runwright.domain.runs import Outcome, RunRequest

MakeProject = Callable[..., Any]


async def _complete(platform: Platform, project: Project, result: str) -> str:
    request = RunRequest(api="a", parameters={})
    run = await runs.start(platform, project, request, idempotency_key=None, request_text="")
    claim = await claimed(platform, run.id)
    await attempts.end(platform, claim, Outcome(result=result))
    return run.id


async def _examine(platform: Platform) -> None:
    while await drift.examine(platform):
        pass


async def _is_marked(platform: Platform, project: Project, run_id: str) -> bool:
    return (await runs.get(platform, project.id, run_id)).drift is not None


async def test_a_result_is_examined_once_and_marked_where_it_is_not_as_usual(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    for _ in range(25):
        await _complete(platform, project, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]")
    empty = await _complete(platform, project, "[]")
    await _examine(platform)
    (found,) = await drift.list_all(platform, project.id)
    await _examine(platform)
    (again,) = await drift.list_all(platform, project.id)

    assert await _is_marked(platform, project, empty)
    assert (len(found.profile.usual), len(found.profile.drifted)) == (25, 1)
    assert again.profile == found.profile
    assert found.latest_run_id == empty


async def test_nothing_is_marked_or_learnt_where_nobody_watches(
    platform: Platform, make_project: MakeProject
) -> None:
    project = await make_project()
    for _ in range(25):
        await _complete(platform, project, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]")
    await _examine(platform)
    await drift.watch(platform, project, "a", is_watched=False)
    empty = await _complete(platform, project, "[]")
    await _examine(platform)
    (found,) = await drift.list_all(platform, project.id)

    assert not await _is_marked(platform, project, empty)
    assert (found.is_watched, found.profile.usual) == (False, ())
