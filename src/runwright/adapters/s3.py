"""Writes objects to a bucket of somebody else's, with their keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import obstore
from obstore.store import S3Store

from runwright.domain.sinks import Sink

_MAX_ERROR_LENGTH = 500


class NotWritten(Exception):
    """The bucket did not take the object; the message says why."""


async def put(sink: Sink, key: str, body: bytes, *, patience: timedelta) -> None:
    """Write one object.

    Raises:
        NotWritten: the bucket refused it, or did not answer in time.
    """
    options: dict[str, Any] = {
        "access_key_id": sink.access_key_id,
        "secret_access_key": sink.secret_access_key,
        "region": sink.region,
        "virtual_hosted_style_request": not sink.force_path_style,
    }
    if sink.endpoint is not None:
        options["endpoint"] = sink.endpoint
    seconds = f"{patience.total_seconds():g}s"
    try:
        store = S3Store(
            sink.bucket,
            client_options={"timeout": seconds, "connect_timeout": seconds, "allow_http": True},
            # How often to try is decided elsewhere, in the open.
            retry_config={"max_retries": 0},
            **options,
        )
        await obstore.put_async(
            store, key, body, attributes={"Content-Type": "application/json"}, use_multipart=False
        )
    except Exception as error:
        raise NotWritten(_plain(error, sink)) from error


def _plain(error: Exception, sink: Sink) -> str:
    text = f"{type(error).__name__}: {error}".split("\n\nDebug source")[0]
    return text.replace(sink.secret_access_key, "•••")[:_MAX_ERROR_LENGTH]
