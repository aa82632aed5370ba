"""OpenTelemetry: one trace from the request through the queue to the Attempt, and nothing without the setting."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from helpers.server import eventually, serving
from outside import receivers

_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_SOURCE = {"api/a.py": "async def automation(page, params):\n    return params\n"}


def _spans(received: list[tuple[dict[str, str], bytes]]) -> dict[str, Any]:
    """Return the spans of our trace by name."""
    service: Any = importlib.import_module(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2"
    )
    found: dict[str, Any] = {}
    for _, body in received:
        message = service.ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                found |= {
                    span.name: span
                    for span in scope.spans
                    if span.trace_id.hex() == _PARENT.split("-")[1]
                }
    return found


def test_a_trace_leads_from_the_request_over_the_queue_to_the_attempt(tmp_path: Path) -> None:
    with receivers.serving() as receiver:
        endpoint = receiver.url.removesuffix("/hook")
        with serving(
            tmp_path / "data", RUNWRIGHT_OTEL_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="200"
        ) as server:
            server.deploy("p", _SOURCE)
            with server.client() as client:
                body = {"api": "a", "parameters": {"secret": "hush"}}
                headers = {"traceparent": _PARENT}
                answer = client.post("/projects/p/run/start", json=body, headers=headers)
            server.result("p", answer.json()["runId"])

            wanted = {"POST request", "queue", "attempt"}
            spans = eventually(
                lambda: found if wanted <= set(found := _spans(receiver.received)) else None
            )

    request = spans["POST request"]
    assert request.parent_span_id.hex() == _PARENT.split("-")[2]
    assert spans["queue"].parent_span_id == request.span_id
    assert spans["attempt"].parent_span_id == request.span_id
    assert spans["queue"].end_time_unix_nano <= spans["attempt"].end_time_unix_nano
    assert not any(b"hush" in sent for _, sent in receiver.received)
