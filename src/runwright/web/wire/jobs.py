"""Bodies of Jobs and JobRuns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from runwright.domain.jobs import job_json, job_text
from runwright.domain.jobs.job_text import JobBody
from runwright.domain.jobs.jobs import (
    Job,
    JobPlan,
    JobRun,
    JobRunReason,
    JobRunStatus,
    JobRunType,
    JobSource,
    JobState,
)
from runwright.errors import Problem, ValidationError
from runwright.storage.job_runs import SORTABLE
from runwright.web.wire.common import parse, time_text, time_text_or_none

_PAGE_SIZE, _LARGEST_PAGE = 20, 200
_LARGEST_NUMBER = 1_000_000


class CreateBody(JobBody):
    """A new Job."""

    id: str


class RunsQuery(BaseModel):
    """Page and order of a Job's JobRuns; all three parameters are strings."""

    page_size: str | None = Field(default=None, alias="pageSize")
    page_number: str | None = Field(default=None, alias="pageNumber", description="Counted from 0.")
    sort_by: str | None = Field(
        default=None, alias="sortBy", description="For example `start_time,desc/status,asc`."
    )


class UpcomingQuery(BaseModel):
    """The number of firings to list."""

    count: Annotated[int, Field(ge=1, le=100)] = 5


class CreatedAnswer(TypedDict):
    """The response to creating or updating a Job."""

    id: str
    message: str


class MessageAnswer(TypedDict):
    """What was done, as a message."""

    message: str


class TriggeredAnswer(TypedDict):
    """A JobRun was started, or recorded as canceled."""

    jobRunId: str
    message: str


class RedeliveredAnswer(TypedDict):
    """The number of Deliveries to be sent again."""

    redelivered: int


class ProxyBody(TypedDict):
    """A proxy, without its password."""

    version: Literal["v1"]
    url: str


class JobReasonBody(TypedDict):
    """Why a Job is paused."""

    type: str
    message: str
    timestamp: str


class _JobParts(TypedDict):
    id: str
    state: JobState
    configuration: dict[str, Any]
    payload: list[dict[str, Any]]
    schedule: NotRequired[dict[str, Any]]
    sink: NotRequired[dict[str, Any]]
    auth_session: NotRequired[dict[str, Any]]
    notifications: NotRequired[list[dict[str, Any]]]
    created_at: str
    next_run_time: NotRequired[str]
    last_run_time: NotRequired[str]


class JobAnswer(_JobParts):
    """A Job."""

    projectId: str
    source: JobSource
    proxy: NotRequired[str]


class JobLine(_JobParts):
    """A Job in a list."""

    workspace_id: str
    project_id: str
    source: JobSource
    proxy: NotRequired[ProxyBody]
    reason: NotRequired[JobReasonBody]


class JobRunReasonBody(TypedDict):
    """Why a JobRun is paused, never started, or was ended."""

    type: JobRunReason
    message: str
    details: NotRequired[dict[str, Any]]


class JobRunBody(TypedDict):
    """One firing or manual trigger of a Job."""

    id: str
    job_id: str
    workspace_id: str
    project_id: str
    type: JobRunType
    status: JobRunStatus
    start_time: str
    end_time: str | None
    created_at: str
    updated_at: str
    payloads: int
    successful_runs: int
    failed_runs: int
    reason: NotRequired[JobRunReasonBody]
    job_configuration_snapshot: dict[str, Any]


class JobRunsAnswer(TypedDict):
    """A page of JobRuns."""

    jobRuns: list[JobRunBody]
    totalCount: int


class ResultsBody(TypedDict):
    """Where to download a JobRun's results."""

    signed_url: str
    signed_url_expiration: str
    format: str


class JobRunAnswer(TypedDict):
    """A JobRun and the link to its results."""

    jobRun: JobRunBody
    results: NotRequired[ResultsBody]


def parse_create(value: Any) -> tuple[str, JobPlan]:
    """Parse the id and plan of a new Job.

    Raises:
        ValidationError: a field is invalid; names it.
    """
    body = parse(CreateBody, value)
    return body.id, body.plan(value)


def parse_plan(value: Any) -> JobPlan:
    """Parse a Job's plan.

    Raises:
        ValidationError: a field is invalid; names it.
    """
    return parse(JobBody, value).plan(value)


def parse_update(value: Any, known: Job) -> JobPlan:
    """Parse a Job's new plan; a mask keeps the secret already stored.

    Raises:
        ValidationError: a field is invalid; names it.
    """
    return parse_plan(job_text.unmasked(value, known.plan.secrets))


def page(query: RunsQuery) -> tuple[int, int, list[tuple[str, bool]]]:
    """Size, number and order of a page; each term of the order with whether it descends.

    Raises:
        ValidationError: one of them is invalid.
    """
    size = _number(query.page_size, "pageSize", _PAGE_SIZE, 1, _LARGEST_PAGE)
    number = _number(query.page_number, "pageNumber", 0, 0, _LARGEST_NUMBER)
    terms = [term for term in (query.sort_by or "").split("/") if term]
    return size, number, [_term(term) for term in terms]


def job(found: Job) -> JobAnswer:
    """The body of a Job."""
    body: JobAnswer = {
        **_parts(found),
        "projectId": str(found.project_id),
        "source": found.source,
    }
    if (proxy := job_json.masked_proxy(found.plan.secrets.proxy)) is not None:
        body["proxy"] = proxy
    return body


def job_line(found: Job) -> JobLine:
    """A Job in a list."""
    body: JobLine = {
        **_parts(found),
        "workspace_id": str(found.workspace_id),
        "project_id": str(found.project_id),
        "source": found.source,
    }
    if (proxy := job_json.masked_proxy(found.plan.secrets.proxy)) is not None:
        body["proxy"] = {"version": "v1", "url": proxy}
    if found.reason is not None:
        body["reason"] = {
            "type": found.reason.type,
            "message": found.reason.message,
            "timestamp": time_text(found.reason.at),
        }
    return body


def job_run(found: JobRun) -> Any:
    """The body of a JobRun."""
    return job_json.of_job_run(found)


def results(link: str, expires: datetime) -> ResultsBody:
    """The link to a JobRun's results."""
    return {
        "signed_url": link,
        "signed_url_expiration": time_text(expires),
        "format": "jsonl",
    }


def _parts(found: Job) -> _JobParts:
    plan = found.plan
    parts: dict[str, Any] = {
        "id": found.id,
        "state": found.state,
        "configuration": job_json.of_configuration(plan.configuration, plan.secrets),
        "payload": [job_json.of_payload(each) for each in plan.payload],
        "schedule": plan.schedule_body,
        "sink": None if plan.secrets.sink is None else plan.secrets.sink.as_json(is_masked=True),
        "auth_session": None if plan.session is None else job_json.of_session(plan.session),
        "notifications": [each.as_json(is_masked=True) for each in plan.secrets.notifications]
        or None,
        "created_at": time_text(found.created_at),
        "next_run_time": time_text_or_none(found.fires_at),
        "last_run_time": time_text_or_none(found.last_run_at),
    }
    present = {name: value for name, value in parts.items() if value is not None}
    return cast("_JobParts", present)


def _number(text: str | None, name: str, default: int, low: int, high: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
        message = f"must be a whole number from {low} to {high}"
        raise ValidationError([Problem(path=name, message=message)])
    return int(text)


def _term(text: str) -> tuple[str, bool]:
    name, _, direction = text.partition(",")
    if name not in SORTABLE or direction not in ("", "asc", "desc"):
        message = (
            f"must look like `start_time,desc/status,asc`, with the fields {', '.join(SORTABLE)}"
        )
        raise ValidationError([Problem(path="sortBy", message=message)])
    return name, direction == "desc"
