"""Sends Deliveries, in the open: every try is a row."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from runwright import telemetry
from runwright.adapters import s3
from runwright.adapters.s3 import NotWritten
from runwright.adapters.webhook import NotSent, Sender
from runwright.control import deliveries
from runwright.control.platform import Platform
from runwright.domain import sinks
from runwright.domain.deliveries import Try
from runwright.domain.sinks import Sink, SinkKind
from runwright.errors import NotFound
from runwright.execution.patience import patiently
from runwright.storage.deliveries import DeliveryRow

log = telemetry.logger(__name__)

_OK = range(200, 300)


class DeliveryFlow:
    """The flow of every Delivery on one Worker."""

    def __init__(self, platform: Platform) -> None:
        settings = platform.settings
        self._platform = platform
        self._sender = Sender(
            allow_private=settings.webhook_allow_private, timeout=settings.webhook_timeout
        )

    async def look(self, delivery_id: str) -> timedelta | None:
        """Try a pending Delivery once; return when to try again, if at all."""
        row = await deliveries.begin_try(self._platform, delivery_id)
        if row is None:
            return None
        sink = deliveries.open_sink(self._platform, row)
        at, began = datetime.now(UTC), time.perf_counter()
        status_code, answer, error = await self._send(row, sink)
        found = Try(
            number=row.delivery.tries,
            at=at,
            duration_ms=(time.perf_counter() - began) * 1000,
            status_code=status_code,
            answer=answer,
            error=error,
        )
        again = await patiently(lambda: deliveries.end_try(self._platform, row, found))
        log.info(
            "delivery tried",
            event_name="delivery_tried",
            delivery_id=delivery_id,
            number=found.number,
            status_code=status_code,
            error=error,
            is_tried_again=again is not None,
        )
        return again

    async def _send(
        self, row: DeliveryRow, sink: Sink
    ) -> tuple[int | None, str | None, str | None]:
        """Send once; return what was answered, and why it did not go through."""
        try:
            body = await deliveries.body(self._platform, row)
            if sink.kind is SinkKind.S3:
                await self._put(row, sink, body.encode())
                return None, None, None
            answered = await self._sender.post(
                sink.url, await self._headers(row, sink, body), body.encode()
            )
        except (NotSent, NotWritten, NotFound) as error:
            return None, None, str(error)
        reason = None
        if answered.status_code not in _OK:
            reason = f"the receiver answered {answered.status_code}"
        return answered.status_code, answered.text, reason

    async def _put(self, row: DeliveryRow, sink: Sink, body: bytes) -> None:
        if sink.endpoint is not None:
            await self._sender.check(sink.endpoint)
        delivery = row.delivery
        name = await deliveries.project_name(self._platform, delivery.project_id)
        job = await deliveries.job_of(self._platform, row)
        key = sinks.object_key(
            sink, name, job=job, day=delivery.created_at, run_id=delivery.run_id or delivery.id
        )
        await s3.put(sink, key, body, patience=self._platform.settings.webhook_timeout)

    async def _headers(self, row: DeliveryRow, sink: Sink, body: str) -> dict[str, str]:
        """Return the sink's own headers, and those of Standard Webhooks."""
        secrets = await deliveries.signing_secrets(self._platform, row.delivery.project_id)
        now = datetime.now(UTC)
        signatures = [Webhook(each).sign(row.delivery.id, now, body) for each in secrets]
        return {
            **dict(sink.headers),
            "content-type": "application/json",
            "user-agent": "Runwright",
            "webhook-id": row.delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
