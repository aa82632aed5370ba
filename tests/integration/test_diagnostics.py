"""Workers examine their machines periodically, and on request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from runwright.control.base.platform import Platform
from runwright.control.insight import diagnostics, overview
from runwright.control.runs import claims, live, runs
from runwright.domain.ids import WorkerId
from runwright.domain.insight.diagnostics import Finding, State
from runwright.domain.insight.overview import WorkerSeen
from runwright.domain.runs import RunRequest
from runwright.execution.diagnostics.periodic import PeriodicDiagnostics
from runwright.storage import platform as rows

_WELL = Finding(name="fonts", state=State.OK, message="12")
_TO_KNOW = Finding(name="display", state=State.WARNING, message="none", remedy="install one")
_WRONG = Finding(name="clock", state=State.FAILURE, message="9 s apart", remedy="synchronize")


async def _worker(platform: Platform, *, started: timedelta = timedelta(0)) -> WorkerId:
    worker_id = WorkerId(uuid4())
    await rows.beat(platform.database, worker_id, "here", 1, 2, silence=timedelta(seconds=5))
    await platform.database.execute(
        "UPDATE workers SET started_at = now() - $2::interval WHERE id = $1", worker_id, started
    )
    return worker_id


async def _seen(platform: Platform) -> WorkerSeen:
    (found,) = await overview.workers(platform)
    return found


async def test_the_first_examination_waits_until_a_worker_has_begun(platform: Platform) -> None:
    fresh = await _worker(platform)
    older = await _worker(platform, started=timedelta(minutes=2))

    assert not await diagnostics.is_due(platform, fresh)
    assert await diagnostics.is_due(platform, older)


async def test_an_examination_is_good_for_an_hour(platform: Platform) -> None:
    worker_id = await _worker(platform, started=timedelta(hours=3))
    await diagnostics.publish(platform, worker_id, [_WELL])

    assert not await diagnostics.is_due(platform, worker_id)
    await platform.database.execute("UPDATE workers SET examined_at = now() - interval '61 min'")
    assert await diagnostics.is_due(platform, worker_id)


async def test_who_asks_is_told_until_it_is_done(platform: Platform) -> None:
    worker_id = await _worker(platform)
    with platform.signals.subscribe(diagnostics.TOPIC) as signalled:
        await diagnostics.ask(platform)
        await signalled.wait()

    assert await diagnostics.is_due(platform, worker_id)
    assert (await _seen(platform)).is_examination_asked
    await diagnostics.publish(platform, worker_id, [_WELL])
    assert not await diagnostics.is_due(platform, worker_id)
    assert not (await _seen(platform)).is_examination_asked


async def test_what_was_found_outlives_heartbeats_and_the_worst_comes_first(
    platform: Platform,
) -> None:
    worker_id = await _worker(platform)
    await diagnostics.publish(platform, worker_id, [_WELL, _TO_KNOW, _WRONG])
    await rows.beat(platform.database, worker_id, "here", 1, 2, silence=timedelta(seconds=5))

    seen = await _seen(platform)

    assert seen.findings == (_WELL, _TO_KNOW, _WRONG)
    assert seen.troubles == (_WRONG, _TO_KNOW)


async def test_a_worker_finds_what_is_wrong_and_says_what_to_do(platform: Platform) -> None:
    settings = dataclasses.replace(platform.settings, min_free_bytes=2**62)
    short = dataclasses.replace(platform, settings=settings)
    worker_id = await _worker(platform, started=timedelta(hours=1))

    await PeriodicDiagnostics(short, worker_id).run_if_due()

    seen = await _seen(platform)
    assert seen.examined_at is not None
    assert seen.troubles[0].name == "data directory"
    assert "free up space" in seen.troubles[0].remedy
    assert {"memory", "fonts", "database"} <= {each.name for each in seen.findings}


async def test_a_worker_that_is_not_heard_of_is_shown_as_silent_for_an_hour(
    platform: Platform,
) -> None:
    await _worker(platform)
    assert not (await _seen(platform)).is_silent

    await platform.database.execute("UPDATE workers SET heartbeat_at = now() - interval '1 min'")
    assert (await _seen(platform)).is_silent

    await platform.database.execute("UPDATE workers SET heartbeat_at = now() - interval '2 h'")
    assert await overview.workers(platform) == []


async def test_a_run_whose_worker_is_not_heard_of_is_known(
    platform: Platform, make_project: Callable[..., Any]
) -> None:
    project = await make_project()
    run = await runs.start(
        platform,
        project,
        RunRequest(api="a", parameters={}),
        idempotency_key=None,
        request_text="",
    )
    worker_id = await _worker(platform)
    assert isinstance(await claims.take(platform, run.id, worker_id), claims.Claim)
    assert not await live.is_silent(platform, run.id)

    await platform.database.execute("UPDATE workers SET heartbeat_at = now() - interval '1 min'")

    assert await live.is_silent(platform, run.id)
