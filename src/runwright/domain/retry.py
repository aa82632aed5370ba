"""When to retry Attempts, Deliveries, queue entries and statements. Pure; every delay is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Delays that grow with each consecutive failure."""

    initial: timedelta
    coefficient: float = 2.0
    longest: timedelta

    def delay(self, failures: int) -> timedelta:
        """The delay after this many failures; fewer than one count as one."""
        steps = min(max(failures, 1) - 1, _STEPS)
        return min(self.initial * self.coefficient**steps, self.longest)


@dataclass(frozen=True, slots=True)
class Done:
    """A queue entry needs nothing more."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """A queue entry is handed out again after a delay."""

    after: timedelta


FollowUp = Done | LookAgain
"""What follows from handling a queue entry once."""

DONE = Done()
AT_ONCE = LookAgain(timedelta(0))
AFTER_ERROR = LookAgain(timedelta(seconds=2))
"""For a handler that raised: the problem may have passed by then."""

DATABASE = Backoff(initial=timedelta(milliseconds=50), longest=timedelta(seconds=1))
"""For statements that must not fail while the database is away or out of resources."""

_STEPS = 32
_DELIVERY = Backoff(initial=timedelta(seconds=10), longest=timedelta(minutes=2))


def attempt_delay(failures: int, initial: timedelta) -> timedelta:
    """The delay before a Run's next Attempt: the same after each failure."""
    return Backoff(initial=initial, coefficient=1, longest=initial).delay(failures)


def delivery_delay(
    *,
    first_try_at: datetime,
    failures: int,
    now: datetime,
    window: timedelta,
    asked: timedelta | None = None,
) -> timedelta | None:
    """The delay before a Delivery's next try; None when its window ends before that.

    A receiver may ask for a longer delay; if that exceeds the window, the last try is at the window's end. It
    may also ask for a shorter one, down to a tenth of ours, so that tries never come without a pause.
    """
    own = _DELIVERY.delay(failures)
    left = first_try_at + window - now
    wanted = own if asked is None else max(asked, own / 10)
    return min(wanted, left) if min(own, wanted) <= left else None
