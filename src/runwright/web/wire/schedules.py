"""Bodies of Schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain.jobs.schedule_text import ScheduleBody
from runwright.domain.jobs.schedules import Schedule
from runwright.web.wire.common import Body, parse, time_text

_MAX_COUNT = 100
_DEFAULT_COUNT = 5


class PreviewBody(Body):
    """A Schedule, and the number of firings to list."""

    schedule: ScheduleBody
    count: Annotated[int, Field(ge=1, le=_MAX_COUNT)] | None = None


class UpcomingAnswer(TypedDict):
    """The next firings of a Schedule; empty if it never fires again."""

    upcoming: list[str]


def parse_schedule(value: Any) -> Schedule:
    """Parse a request that previews a Schedule and nothing else.

    Raises:
        ValidationError: the Schedule is invalid; names each wrong field, below `schedule`.
    """
    return parse_preview({"schedule": value})[0]


def parse_preview(value: Any) -> tuple[Schedule, int]:
    """The Schedule of a request and the number of firings to list.

    Raises:
        ValidationError: the Schedule is invalid; names each wrong field.
    """
    body = parse(PreviewBody, value)
    return body.schedule.schedule(), body.count or _DEFAULT_COUNT


def upcoming(firings: list[datetime]) -> UpcomingAnswer:
    """The body of a list of firings."""
    return {"upcoming": [time_text(each) for each in firings]}
