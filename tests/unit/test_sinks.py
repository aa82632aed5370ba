"""When a failed try is repeated, what a sink wants, where its objects go, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from runwright.domain import sinks
from runwright.domain.sinks import InvalidSink

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_WEBHOOK: dict[str, Any] = {"type": "webhook", "url": "https://example.com/hook"}
_S3: dict[str, Any] = {
    "type": "s3",
    "bucket": "b",
    "accessKeyId": "a",
    "secretAccessKey": "hush",
    "region": "r",
}


def _delays(window: timedelta) -> list[float]:
    """Return after how many seconds each try follows the one before, if all fail at once."""
    now, found = _FIRST, list[float]()
    while True:
        delay = sinks.next_delay(
            first_try_at=_FIRST, failures=len(found) + 1, now=now, window=window
        )
        if delay is None:
            return found
        found.append(delay.total_seconds())
        now += delay


def test_delays_double_from_ten_seconds_to_two_minutes_until_the_window_is_over() -> None:
    hour = _delays(timedelta(hours=1))

    assert hour[:6] == [10, 20, 40, 80, 120, 120]
    assert set(hour[4:]) == {120}
    assert 3600 - 120 < sum(hour) <= 3600
    assert _delays(timedelta(minutes=10)) == [10, 20, 40, 80, 120, 120, 120]
    assert _delays(timedelta(0)) == []


@given(failures=st.integers(1, 10_000), late=st.integers(0, 4000))
def test_a_try_never_follows_after_the_window(failures: int, late: int) -> None:
    now, window = _FIRST + timedelta(seconds=late), timedelta(hours=1)

    delay = sinks.next_delay(first_try_at=_FIRST, failures=failures, now=now, window=window)

    assert delay is None or now + delay <= _FIRST + window
    assert delay is None or timedelta(seconds=10) <= delay <= timedelta(minutes=2)


@pytest.mark.parametrize(
    ("more", "api", "is_completed", "wanted"),
    [
        ({}, "a", False, True),
        ({"skipOnFail": True}, "a", False, False),
        ({"skipOnFail": True}, "a", True, True),
        ({"apisToSend": ["a"]}, "a", True, True),
        ({"apisToSend": ["a"]}, "b", True, False),
        ({"apisToSend": []}, "a", True, False),
    ],
    ids=["all", "failed ones not", "completed ones", "this", "another", "none"],
)
def test_what_a_sink_wants(
    more: dict[str, Any], api: str, is_completed: bool, wanted: bool
) -> None:
    sink = sinks.parse({**_WEBHOOK, **more})

    assert sink.wants(api, is_completed=is_completed) is wanted


def test_where_an_object_goes() -> None:
    def key(prefix: str, job: tuple[str, str] | None) -> str:
        sink = sinks.parse({**_S3, "prefix": prefix})
        return sinks.object_key(sink, "p", job=job, day=_FIRST, run_id="id")

    assert key("x/y/", None) == "x/y/p/runs/2026-01-01/id.json"
    assert key("", ("j", "jr")) == "p/j/jr/id.json"


def test_secrets_are_masked_and_a_mask_that_comes_back_keeps_them() -> None:
    sink = sinks.parse({**_S3, "endpoint": "https://s3.example.com", "forcePathStyle": True})
    shown = sinks.as_json(sink, is_masked=True)

    assert "hush" not in str(shown)
    assert sinks.parse(sinks.unmasked(shown, sink)) == sink
    assert sinks.unmasked("anything", sink) == "anything"


def test_a_target_tells_nothing_secret() -> None:
    sink = sinks.parse({"type": "webhook", "url": "https://u:p@example.com:8443/a?token=x"})

    assert sink.target == "https://example.com:8443/a"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, ""),
        ({"type": "ftp"}, "type"),
        ({"type": "webhook"}, "url"),
        ({**_WEBHOOK, "url": "ftp://x"}, "url"),
        ({**_WEBHOOK, "url": "http://"}, "url"),
        ({**_WEBHOOK, "url": "http://x:99999/"}, "url"),
        ({**_WEBHOOK, "url": "http://x/ y"}, "url"),
        ({**_WEBHOOK, "url": "http://x/\r\nHost: y"}, "url"),
        ({**_WEBHOOK, "headers": []}, "headers"),
        ({**_WEBHOOK, "headers": {"a": 1}}, "headers.a"),
        ({**_WEBHOOK, "headers": {"a": "x\r\ny: z"}}, "headers.a"),
        ({**_WEBHOOK, "headers": {"a b": "x"}}, "headers.a b"),
        ({**_WEBHOOK, "headers": {"Webhook-Signature": "x"}}, "headers.Webhook-Signature"),
        ({**_WEBHOOK, "skipOnFail": 1}, "skipOnFail"),
        ({**_WEBHOOK, "apisToSend": "a"}, "apisToSend"),
        ({**_WEBHOOK, "apisToSend": [1]}, "apisToSend"),
        ({**_S3, "bucket": ""}, "bucket"),
        ({**_S3, "region": None}, "region"),
        ({**_S3, "endpoint": "x"}, "endpoint"),
    ],
    ids=lambda value: None if not isinstance(value, str) else repr(value),
)
def test_what_is_no_sink_is_named_by_its_field(value: Any, path: str) -> None:
    with pytest.raises(InvalidSink) as caught:
        sinks.parse(value)

    assert caught.value.path == path
