"""Bodies of Schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain.jobs import schedule_text
from runwright.domain.jobs.schedule_text import InvalidSchedule
from runwright.domain.jobs.schedules import Schedule
from runwright.errors import Problem, ValidationError
from runwright.web.wire.common import Body, parse, time_text

_MAX_COUNT = 100
_DEFAULT_COUNT = 5


class PreviewBody(Body):
    """A Schedule, and the number of firings to list."""

    schedule: dict[str, Any]
    count: Annotated[int, Field(ge=1, le=_MAX_COUNT)] | None = None


class UpcomingAnswer(TypedDict):
    """The next firings of a Schedule; empty if it never fires again."""

    upcoming: list[str]


def parse_schedule(value: Any, path: str) -> Schedule:
    """Parse the Schedule of a request.

    Raises:
        ValidationError: the Schedule is invalid; names the field below `path`.
    """
    try:
        return schedule_text.parse(value)
    except InvalidSchedule as error:
        whole = ".".join(part for part in (path, error.path) if part)
        raise ValidationError([Problem(path=whole, message=str(error))]) from error


def parse_preview(value: Any) -> tuple[Schedule, int]:
    """The Schedule and the number of firings to list."""
    body = parse(PreviewBody, value)
    return parse_schedule(body.schedule, "schedule"), body.count or _DEFAULT_COUNT


def upcoming(firings: list[datetime]) -> UpcomingAnswer:
    """The body of a list of firings."""
    return {"upcoming": [time_text(each) for each in firings]}
