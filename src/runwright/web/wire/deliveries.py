"""Bodies of Sinks and Deliveries."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from runwright.domain.deliveries.deliveries import Delivery, DeliveryStatus, Try
from runwright.domain.deliveries.sink_fields import SinkKind
from runwright.web.wire.common import Body, parse, time_text, time_text_or_none


class DeliveriesQuery(BaseModel):
    """Filter and page of a list of Deliveries."""

    run_id: str | None = Field(default=None, alias="runId")
    job_run_id: str | None = Field(default=None, alias="jobRunId")
    status: DeliveryStatus | None = None
    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=200)


class RedeliverBody(Body):
    """Where to send a Delivery again; without a URL, to the same address."""

    url: str | None = None


class DeliveryLine(TypedDict):
    """A Delivery in a list."""

    deliveryId: str
    runId: str | None
    jobRunId: str | None
    type: SinkKind
    target: str
    status: DeliveryStatus
    tries: int
    createdAt: str
    endedAt: str | None


class DeliveriesAnswer(TypedDict):
    """A page of Deliveries, newest first."""

    deliveries: list[DeliveryLine]
    nextCursor: str | None


class TryBody(TypedDict):
    """One try of a Delivery."""

    number: int
    at: str
    durationMs: float
    statusCode: int | None
    answer: str | None
    """The first bytes of the response."""
    error: str | None


class DeliveryAnswer(TypedDict):
    """A Delivery with its tries."""

    delivery: DeliveryLine
    tries: list[TryBody]


class SecretAnswer(TypedDict):
    """The secret that signs a project's webhooks."""

    secret: str


def parse_redeliver(value: Any) -> str | None:
    """The address to send a Delivery to instead, if any."""
    return parse(RedeliverBody, value).url


def delivery_line(delivery: Delivery) -> DeliveryLine:
    """A Delivery in a list."""
    return {
        "deliveryId": delivery.id,
        "runId": delivery.run_id,
        "jobRunId": delivery.job_run_id,
        "type": delivery.kind,
        "target": delivery.target,
        "status": delivery.status,
        "tries": delivery.tries,
        "createdAt": time_text(delivery.created_at),
        "endedAt": time_text_or_none(delivery.ended_at),
    }


def try_body(found: Try) -> TryBody:
    """The body of a try."""
    return {
        "number": found.number,
        "at": time_text(found.at),
        "durationMs": round(found.duration_ms, 3),
        "statusCode": found.status_code,
        "answer": found.answer,
        "error": found.error,
    }
