"""Reading requests' bodies within their bounds, and writing answers' ones."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import Request, Response

from runwright.errors import TooLarge, TooSlow, UnsupportedMediaType
from runwright.web.wire import common

JSON = "application/json"
SLOWEST_BYTES_A_SECOND = 64 * 1024


async def read_json(request: Request) -> Any:
    """Return the JSON of a request's body.

    Raises:
        UnsupportedMediaType, TooLarge, ValidationError: it is none, too long, or malformed.
    """
    kind = media_type(request)
    if kind != JSON and not kind.endswith("+json"):
        raise UnsupportedMediaType
    body = bytearray()
    async for chunk in stream(request, request.app.state.platform.settings.max_body_bytes):
        body += chunk
    return common.read_json(bytes(body))


async def read_text(request: Request) -> str:
    """Return the body of a request whose kind does not matter, within its bounds.

    Raises:
        TooLarge: it is too long.
    """
    body = bytearray()
    async for chunk in stream(request, request.app.state.platform.settings.max_body_bytes):
        body += chunk
    return body.decode("utf-8", "replace")


async def stream(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the request's body in chunks.

    Raises:
        TooLarge: it says that it is, or turns out, longer than the limit; the rest is not read.
        TooSlow: it does not come within its time, which grows by a second for each 64 KiB.
    """
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise TooLarge(f"The request body has {said} bytes; this server takes {limit}.")
    patience = request.app.state.platform.settings.body_timeout.total_seconds()
    until = asyncio.get_running_loop().time() + patience
    taken = 0
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(until + taken / SLOWEST_BYTES_A_SECOND):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise TooSlow(f"The request body came too slowly: {taken} bytes.") from error
        taken += len(chunk)
        if taken > limit:
            raise TooLarge(f"The request body is larger than the {limit} bytes this server takes.")
        yield chunk


async def to_file(request: Request, limit: int) -> Path:
    """Write the body to a file of its own, which the caller removes.

    Raises:
        TooLarge: it is longer than the limit; nothing is left.
    """
    settings = request.app.state.platform.settings
    descriptor, name = tempfile.mkstemp(prefix="upload-", dir=settings.data_dir)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            async for chunk in stream(request, limit):
                out.write(chunk)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise
    return path


def media_type(request: Request) -> str:
    """Return the type that the request says its body has, in lower case and without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def answer(body: object, status: int = 200) -> Response:
    """Return a value as a JSON answer."""
    return Response(json.dumps(body), status, media_type=JSON)


def answer_text(text: str, status: int = 200) -> Response:
    """Return JSON text as an answer."""
    return Response(text, status, media_type=JSON)


def documented(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI text of a body that the route reads by itself."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}
