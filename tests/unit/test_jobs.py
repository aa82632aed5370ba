"""What a JobRun does next, how it ends, how a Job is parsed, and which firings happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from runwright.domain.jobs import job_json, job_text, jobs, schedules
from runwright.domain.jobs.jobs import (
    Counts,
    End,
    Feed,
    JobRunStatus,
    Pause,
    Standing,
    Wait,
    next_step,
)
from runwright.domain.jobs.schedules import Schedule
from runwright.domain.text.fields import InvalidFields

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDLY = Schedule(intervals=(timedelta(seconds=1),))
_BODY: dict[str, Any] = {"payload": [{"apiName": "a", "parameters": {}}], "configuration": {}}


def _standing(**more: Any) -> Standing:
    known: dict[str, Any] = {
        "status": JobRunStatus.PENDING,
        "max_concurrent": 3,
        "max_runs": None,
        "held": 10,
        "active": 0,
        "begun": 0,
    }
    return Standing(**{**known, **more})


@pytest.mark.parametrize(
    ("standing", "step"),
    [
        (_standing(), Feed(count=3)),
        (_standing(active=2), Feed(count=1)),
        (_standing(active=3), Wait()),
        (_standing(held=1), Feed(count=1)),
        (_standing(held=0, active=1), Wait()),
        (_standing(held=0), End()),
        (_standing(max_runs=2), Feed(count=2)),
        (_standing(max_runs=2, begun=1, active=1), Feed(count=1)),
        (_standing(max_runs=2, begun=2, active=1), Wait()),
        (_standing(max_runs=2, begun=2), End()),
        (_standing(status=JobRunStatus.PAUSING, active=1), Wait()),
        (_standing(status=JobRunStatus.PAUSING), Pause()),
        (_standing(status=JobRunStatus.PAUSED), Pause()),
        (_standing(status=JobRunStatus.PAUSING, held=0), End()),
        (_standing(max_concurrent=None), Feed(count=10)),
    ],
    ids=str,
)
def test_the_next_step(standing: Standing, step: jobs.Step) -> None:
    assert next_step(standing) == step


@given(
    items=st.integers(0, 40),
    limit=st.integers(1, 6) | st.none(),
    most=st.integers(1, 50) | st.none(),
    choices=st.lists(st.integers(0, 5), max_size=200),
)
def test_items_never_exceed_the_limits_and_it_always_comes_to_an_end(
    items: int, limit: int | None, most: int | None, choices: list[int]
) -> None:
    held, active, begun, status = items, 0, 0, JobRunStatus.PENDING
    for _ in range(items * 4 + 10):
        step = next_step(
            _standing(
                status=status,
                max_concurrent=limit,
                max_runs=most,
                held=held,
                active=active,
                begun=begun,
            )
        )
        match step:
            case Feed(count=count):
                held, active, begun = held - count, active + count, begun + count
            case Wait():
                assert active > 0
                active -= 1
            case Pause():
                status = JobRunStatus.PENDING
            case End():
                break
        assert active <= jobs.room_for(limit)
        assert most is None or begun <= most
        if choices and choices.pop() == 0:
            status = JobRunStatus.PAUSING
    else:
        pytest.fail("it did not end")
    assert active == 0
    assert begun == min(items, items if most is None else most)


@pytest.mark.parametrize(
    ("successful", "failed", "status"),
    [(2, 0, "SUCCESS"), (1, 1, "COMPLETED"), (0, 2, "FAILURE"), (0, 0, "SUCCESS")],
)
def test_how_it_ends(successful: int, failed: int, status: str) -> None:
    counts = Counts(payloads=2, successful=successful, failed=failed)

    assert jobs.ended_status(counts).value == status


@pytest.mark.parametrize(
    ("late", "fired", "following"),
    [
        (timedelta(0), 0, 1),
        (timedelta(seconds=9, milliseconds=900), 0, 1),
        (timedelta(seconds=30, milliseconds=500), 30, 31),
        (timedelta(hours=5, milliseconds=200), 18_000, 18_001),
    ],
    ids=["on time", "late", "missed", "long missed"],
)
def test_what_is_late_comes_in_order_and_what_was_missed_comes_once(
    late: timedelta, fired: int, following: int
) -> None:
    found = schedules.due(_SECONDLY, "j", _FIRST, _FIRST + late)

    assert found == (_FIRST + timedelta(seconds=fired), _FIRST + timedelta(seconds=following))


def test_what_was_missed_more_than_a_minute_ago_is_not_made_up_for() -> None:
    hourly = Schedule(intervals=(timedelta(hours=1),))
    now = _FIRST + timedelta(hours=3, minutes=20)

    assert schedules.due(hourly, "j", _FIRST, now) == (None, _FIRST + timedelta(hours=4))
    assert schedules.due(hourly, "j", _FIRST, now - timedelta(minutes=19, seconds=30)) == (
        _FIRST + timedelta(hours=3),
        _FIRST + timedelta(hours=4),
    )


@given(
    every=st.integers(1, 100),
    jitter=st.integers(0, 200),
    naps=st.lists(st.floats(0.01, 300), min_size=1, max_size=60),
)
def test_no_firing_comes_twice_or_out_of_order_however_long_nobody_looks(
    every: int, jitter: int, naps: list[float]
) -> None:
    schedule = Schedule(intervals=(timedelta(seconds=every),), jitter=timedelta(seconds=jitter))
    firing = schedules.next_after(schedule, _FIRST)
    now, fired = _FIRST, list[datetime]()
    for nap in naps:
        now += timedelta(seconds=nap)
        while firing is not None and schedules.put_off(schedule, "j", firing) <= now:
            happened, firing = schedules.due(schedule, "j", firing, now)
            if happened is not None:
                fired.append(happened)
                assert schedules.put_off(schedule, "j", happened) <= now
            assert firing is not None
            assert not fired or firing > fired[-1]

    assert fired == sorted(set(fired))


def test_a_job_reads_back_as_it_is_written() -> None:
    body: dict[str, Any] = {
        "payload": [{"apiName": "a", "parameters": {"n": 1}, "retry": {}, "requestTimeout": 5}],
        "configuration": {"maxConcurrentRequests": 2.0, "retry": None, "maxRuns": 3},
        "proxy": "http://u:p@h:1",
        "sink": {"type": "webhook", "url": "https://x/", "headers": {"a": "b"}},
        "notifications": [
            {"type": "webhook", "url": "https://u:p@y/?k=v", "headers": {"c": "d"}},
            {"type": "webhook", "url": "https://y/2", "headers": {"c": "e"}},
        ],
        "auth_session": {"id": "s", "checkAttempts": 2, "saveTrace": True},
    }

    plan = job_text.parse(body)

    assert job_json.of_payload(plan.payload[0]) == {
        "apiName": "a",
        "parameters": {"n": 1},
        "retry": {"maximumAttempts": 3},
        "requestTimeout": 5,
    }
    assert job_json.of_configuration(plan.configuration) == {
        "maxConcurrentRequests": 2,
        "maxRuns": 3,
    }
    assert job_text.parse_secrets(job_json.of_secrets(plan.secrets)) == plan.secrets
    assert plan.session is not None
    assert job_json.of_session(plan.session) == {
        "id": "s",
        "checkAttempts": 2,
        "createAttempts": 3,
        "saveTrace": True,
    }


def test_masks_that_come_back_stand_for_what_is_there() -> None:
    body = {
        **_BODY,
        "configuration": {"proxy": "socks5://u:p1@h:1"},
        "proxy": "http://u:p2@h:1",
        "sink": {"type": "webhook", "url": "https://x/", "headers": {"a": "b"}},
        "notifications": [
            {"type": "webhook", "url": "https://u:p@y/?k=v", "headers": {"c": "d"}},
            {"type": "webhook", "url": "https://y/2", "headers": {"c": "e"}},
        ],
    }
    known = job_text.parse(body).secrets
    shown = {
        **_BODY,
        "configuration": {"proxy": job_json.masked_proxy("socks5://u:p1@h:1")},
        "proxy": job_json.masked_proxy("http://u:p2@h:1"),
        "sink": {"type": "webhook", "url": "https://x/", "headers": {"a": "********"}},
        "notifications": [
            {
                "type": "webhook",
                "url": "https://u:********@y/?k=********",
                "headers": {"c": "********"},
            },
            {"type": "webhook", "url": "https://y/2", "headers": {"c": "********"}},
        ],
    }

    assert job_text.parse(job_text.unmasked(shown, known)).secrets == known
    moved = {"type": "webhook", "url": "https://z/", "headers": {"c": "********"}}
    elsewhere = {**shown, "notifications": [moved]}
    found = job_text.parse(job_text.unmasked(elsewhere, known)).secrets
    assert found.notifications[0].headers == ()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (1, ""),
        ({"configuration": {}}, "payload"),
        ({**_BODY, "payload": {}}, "payload"),
        ({**_BODY, "payload": [1]}, "payload.0"),
        ({**_BODY, "payload": [{"apiName": 1, "parameters": {}}]}, "payload.0.apiName"),
        ({**_BODY, "payload": [{"apiName": "a", "parameters": []}]}, "payload.0.parameters"),
        ({**_BODY, "configuration": {"retry": 3}}, "configuration.retry"),
        ({**_BODY, "configuration": {"requestTimeout": True}}, "configuration.requestTimeout"),
        (
            {**_BODY, "configuration": {"requestTimeout": float("inf")}},
            "configuration.requestTimeout",
        ),
        ({**_BODY, "configuration": {"maxRuns": 2**31}}, "configuration.maxRuns"),
        ({**_BODY, "configuration": {"proxy": 5}}, "configuration.proxy"),
        ({**_BODY, "proxy": "http://h:99999"}, "proxy"),
        ({**_BODY, "schedule": {}}, "schedule"),
        ({**_BODY, "schedule": {"intervals": [{"every": "x"}]}}, "schedule.intervals.0.every"),
        ({**_BODY, "auth_session": {"id": "a/b"}}, "auth_session.id"),
        ({**_BODY, "auth_session": {"id": "a", "saveTrace": 1}}, "auth_session.saveTrace"),
        ({**_BODY, "notifications": [{"type": "mail"}]}, "notifications.0.type"),
        ({**_BODY, "notifications": [{"type": "webhook"}]}, "notifications.0.url"),
        ({**_BODY, "notifications": [{}] * 11}, "notifications"),
        ({**_BODY, "sink": {"type": "s3"}}, "sink.bucket"),
    ],
    ids=lambda value: value or "whole" if isinstance(value, str) else None,
)
def test_what_is_no_job_is_named_by_its_field(body: Any, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        job_text.parse(body)

    assert caught.value.problems[0].path == path


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["payload", "configuration", "apiName", "parameters", "schedule", "retry", "sink",
                     "proxy", "type", "url", "headers", "auth_session", "id", "notifications"]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_nothing_breaks_the_reader(value: Any) -> None:
    said = ""
    try:
        job_text.parse(job_text.unmasked(value, jobs.JobSecrets()))
    except InvalidFields as error:
        said = str(error)

    assert said or isinstance(value, dict)
