"""When something is tried again, and after which delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from runwright.domain import retry

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def _delays(window: timedelta) -> list[float]:
    """Return after how many seconds each try follows the one before, if all fail at once."""
    now, found = _FIRST, list[float]()
    while True:
        delay = retry.delivery_delay(
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

    delay = retry.delivery_delay(first_try_at=_FIRST, failures=failures, now=now, window=window)

    assert delay is None or now + delay <= _FIRST + window
    assert delay is None or timedelta(seconds=10) <= delay <= timedelta(minutes=2)


@pytest.mark.parametrize(
    ("asked", "failures", "left", "delay"),
    [
        (45, 1, 3600, 45),
        (45, 5, 3600, 45),
        (0, 1, 3600, 1),
        (0, 5, 3600, 12),
        (5, 1, 7, 5),
        (60, 1, 10, 10),
        (10**9, 1, 3600, 3600),
        (10**9, 1, 9, None),
        (10**9, 5, 119, None),
        (60, 1, 0, None),
    ],
)
def test_what_a_receiver_asks_for_is_kept_within_the_window(
    asked: int, failures: int, left: int, delay: int | None
) -> None:
    found = retry.delivery_delay(
        first_try_at=_FIRST,
        failures=failures,
        now=_FIRST,
        window=timedelta(seconds=left),
        asked=timedelta(seconds=asked),
    )

    assert found == (None if delay is None else timedelta(seconds=delay))


@given(asked=st.integers(0, 10**9), failures=st.integers(1, 10_000), late=st.integers(0, 4000))
def test_a_try_that_was_asked_for_is_within_the_window_too(
    asked: int, failures: int, late: int
) -> None:
    now, window = _FIRST + timedelta(seconds=late), timedelta(hours=1)

    delay = retry.delivery_delay(
        first_try_at=_FIRST, failures=failures, now=now, window=window,
        asked=timedelta(seconds=asked),
    )  # fmt: skip

    assert delay is None or timedelta(seconds=1) <= delay <= _FIRST + window - now


def test_a_run_is_attempted_again_after_the_same_delay_each_time() -> None:
    initial = timedelta(seconds=3)

    assert {retry.attempt_delay(failures, initial) for failures in range(1, 100)} == {initial}


def test_a_statement_is_repeated_soon_at_first_and_every_second_in_the_end() -> None:
    delays = [
        retry.DATABASE.delay(failures).total_seconds() for failures in (1, 2, 3, 4, 5, 6, 500)
    ]

    assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1]
