"""Writes objects to callers' buckets, with the callers' credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

import httpcore2

from runwright.adapters.webhook import Reply, Sender
from runwright.domain.deliveries.buckets import S3Sink

_AT_ONCE = 32
_ANSWER_BYTES = 64 * 1024
_MAX_ERROR_LENGTH = 500


class NotWritten(Exception):
    """The bucket did not accept the object; the message says why."""

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers: Mapping[str, str] = headers or {}
        """The bucket's response headers, by lowercase name."""


class Buckets:
    """Writes objects where boto3 would, through the process's sender; one per process."""

    def __init__(self, sender: Sender, *, patience: timedelta) -> None:
        self._sender = sender
        self._patience = patience.total_seconds()
        # A separate pool, because each thread waits for the network.
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="bucket")

    async def put(self, sink: S3Sink, key: str, body: bytes) -> None:
        """Write one object.

        Raises:
            NotWritten: the bucket refused the object, or did not answer in time.
            NotSent: the bucket's address is refused, or does not resolve.
        """
        loop = asyncio.get_running_loop()
        asked: list[Future[Reply]] = []

        def send(
            method: str, url: str, headers: list[tuple[bytes, bytes]], content: bytes
        ) -> Reply:
            asked.append(
                asyncio.run_coroutine_threadsafe(self._send(method, url, headers, content), loop)
            )
            return asked[-1].result()

        def work() -> None:
            from runwright.adapters.blobs import boto  # noqa: PLC0415 - heavy, and few have a bucket

            try:
                boto.put(sink, key, body, send)
            except boto.NotTaken as error:
                raise NotWritten(str(error)[:_MAX_ERROR_LENGTH], error.headers) from error

        try:
            async with asyncio.timeout(self._patience):
                await loop.run_in_executor(self._threads, work)
        except TimeoutError as error:
            raise NotWritten(f"no answer within {self._patience:g} s") from error
        finally:
            for each in asked:
                each.cancel()

    async def _send(
        self, method: str, url: str, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> Reply:
        parts = urlsplit(url)
        host = parts.hostname or ""
        target = httpcore2.URL(
            scheme=parts.scheme,
            host=host,
            port=parts.port,
            target=f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
        )
        return await self._sender.send(
            method,
            target,
            [(b"host", _host(parts).encode()), *headers, (b"user-agent", b"Runwright")],
            content,
            whole_answer=_ANSWER_BYTES,
        )


async def check(sink: S3Sink) -> None:
    """Reject a bucket that boto3 could not make a request for.

    Raises:
        InvalidFields: it is invalid; names the field.
    """
    await asyncio.to_thread(_check, sink)


def _check(sink: S3Sink) -> None:
    from runwright.adapters.blobs import boto  # noqa: PLC0415 - heavy, and few have a bucket

    boto.check(sink, f"{sink.prefix.strip('/')}/x.json")


def _host(parts: SplitResult) -> str:
    """The `Host` header that was signed: without the scheme's default port."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    default = 443 if parts.scheme == "https" else 80
    return host if parts.port in (None, default) else f"{host}:{parts.port}"
