"""Sends Deliveries; every try is recorded as a row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from runwright import db_errors, telemetry
from runwright.adapters.blobs.s3 import Buckets, NotWritten
from runwright.adapters.webhook import Answer, NotSent, Sender
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.db_retry import patiently
from runwright.domain.deliveries.buckets import S3Sink
from runwright.domain.deliveries.deliveries import Try
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.retry import DONE, FollowUp
from runwright.domain.text import retry_after, urls
from runwright.errors import NotFound
from runwright.redaction import Redactor
from runwright.storage.deliveries import DeliveryRow

log = telemetry.logger(__name__)

_OK = range(200, 300)
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = 410
_MAX_LOCATION = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    """The result of one try."""

    status_code: int | None = None
    answer: str | None = None
    error: str | None = None
    """Why the try failed; None when it succeeded."""
    asked: timedelta | None = None
    """The delay that the receiver requested."""
    is_gone: bool = False
    """The receiver answered 410: stop sending."""


class DeliveryFlow:
    """Handles all Deliveries on one Worker."""

    def __init__(self, platform: Platform) -> None:
        settings = platform.settings
        self._platform = platform
        self._sender = Sender(
            allow_private=settings.webhook_allow_private, timeout=settings.webhook_timeout
        )
        self._buckets = Buckets(self._sender, patience=settings.webhook_timeout)

    async def handle(self, delivery_id: str) -> FollowUp:
        """Try a pending Delivery once."""
        row = await deliveries.begin_try(self._platform, delivery_id)
        if row is None:
            return DONE
        sink = deliveries.open_sink(self._platform, row)
        at, began = datetime.now(UTC), time.perf_counter()
        sent = await self._send(row, sink)
        # An answer may echo what was sent, and answers are displayed.
        shown = Redactor(sink.secrets)
        found = Try(
            number=row.delivery.tries,
            at=at,
            duration_ms=(time.perf_counter() - began) * 1000,
            status_code=sent.status_code,
            answer=None if sent.answer is None else shown.text(sent.answer),
            error=None if sent.error is None else shown.text(sent.error),
        )
        following = await patiently(
            lambda: deliveries.end_try(
                self._platform, row, found, asked=sent.asked, is_gone=sent.is_gone
            )
        )
        log.info(
            "delivery tried",
            event_name="delivery_tried",
            delivery_id=delivery_id,
            number=found.number,
            status_code=found.status_code,
            error=found.error,
            is_tried_again=following != DONE,
        )
        return following

    async def _send(self, row: DeliveryRow, sink: Sink) -> _Sent:
        """Send once and return the result."""
        try:
            body = await deliveries.body(self._platform, row)
            match sink:
                case WebhookSink():
                    return await self._post(row, sink, body)
                case S3Sink():
                    return await self._put(row, sink, body)
        except (NotSent, NotFound) as error:
            return _Sent(error=str(error))
        except NotWritten as error:
            return _Sent(error=str(error), asked=_asked(error.headers))
        except Exception as error:
            if db_errors.is_to_wait_for(error):
                raise
            log.exception("delivery failed in the platform", event_name="delivery_failed")
            return _Sent(error=f"The platform failed: {type(error).__name__}")

    async def _post(self, row: DeliveryRow, sink: WebhookSink, body: str) -> _Sent:
        headers = await self._headers(row, sink, body)
        return _sent(await self._sender.post(sink.url, headers, body.encode()))

    async def _put(self, row: DeliveryRow, sink: S3Sink, body: str) -> _Sent:
        delivery = row.delivery
        name = await deliveries.project_name(self._platform, delivery.project_id)
        job = await deliveries.job_of(self._platform, row)
        key = sink.object_key(
            name, job=job, day=delivery.created_at, run_id=delivery.run_id or delivery.id
        )
        await self._buckets.put(sink, key, body.encode())
        return _Sent()

    async def _headers(self, row: DeliveryRow, sink: WebhookSink, body: str) -> dict[str, str]:
        """The Sink's own headers, plus those of Standard Webhooks."""
        secrets = await deliveries.signing_secrets(self._platform, row.delivery.project_id)
        now = datetime.now(UTC)
        signatures = [Webhook(each).sign(row.delivery.id, now, body) for each in secrets]
        return {
            **dict(sink.headers),
            "webhook-id": row.delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _sent(answered: Answer) -> _Sent:
    is_taken = answered.status_code in _OK
    return _Sent(
        status_code=answered.status_code,
        answer=answered.text,
        error=None if is_taken else _refusal(answered),
        asked=None if is_taken else _asked(answered.headers),
        is_gone=answered.status_code == _GONE,
    )


def _asked(headers: Mapping[str, str]) -> timedelta | None:
    return retry_after.asked(headers, datetime.now(UTC))


def _refusal(answered: Answer) -> str:
    said = f"the receiver answered {answered.status_code}"
    if answered.status_code == _GONE:
        return f"{said} (gone), so nothing more is sent to it"
    if answered.status_code not in _REDIRECTS:
        return said
    try:
        where = urls.masked(answered.headers.get("location", ""))[:_MAX_LOCATION]
    except ValueError:
        where = ""
    target = f" to `{where}`" if where else ""
    return (
        f"{said}, a redirect{target}: redirects are not followed, so set the sink to the final URL"
    )
