"""Reads request bodies within limits, and writes response bodies."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from fastapi import Request, Response

from runwright.errors import TooLarge, TooSlow, UnsupportedMediaType
from runwright.web.wire import common

JSON = "application/json"
SLOWEST_BYTES_A_SECOND = 64 * 1024


async def read_json(request: Request) -> Any:
    """Read and parse a request's JSON body.

    Raises:
        UnsupportedMediaType, TooLarge, ValidationError: the body is not JSON, too large, or malformed.
    """
    kind = media_type(request)
    if kind != JSON and not kind.endswith("+json"):
        raise UnsupportedMediaType
    body = bytearray()
    async for chunk in stream(request, request.app.state.platform.settings.max_body_bytes):
        body += chunk
    return common.read_json(bytes(body))


async def read_text(request: Request) -> str:
    """Read a request's body as text, whatever its media type, within the size limit.

    Raises:
        TooLarge: the body is too large.
    """
    body = bytearray()
    async for chunk in stream(request, request.app.state.platform.settings.max_body_bytes):
        body += chunk
    return body.decode("utf-8", "replace")


async def stream(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the request's body in chunks.

    Raises:
        TooLarge: the declared or actual size exceeds the limit; the rest is not read.
        TooSlow: the body misses its deadline, which grows by a second per 64 KiB received.
    """
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise TooLarge(f"The request body has {said} bytes; this server accepts {limit}.")
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
            raise TooSlow(f"The request body arrived too slowly: {taken} bytes so far.") from error
        taken += len(chunk)
        if taken > limit:
            raise TooLarge(f"The request body exceeds the {limit} bytes this server accepts.")
        yield chunk


async def to_file(request: Request, limit: int) -> Path:
    """Write the body to a new file, which the caller removes.

    Raises:
        TooLarge: the body exceeds the limit; no file is left behind.
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
    """The request's declared media type, in lower case and without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def answer(body: object, status: int = 200) -> Response:
    """A JSON response with a value as its body."""
    return Response(json.dumps(body), status, media_type=JSON)


def answer_text(text: str, status: int = 200) -> Response:
    """A response with JSON text as its body."""
    return Response(text, status, media_type=JSON)


def documented(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads itself."""
    # References resolve against the whole document, which does not contain these definitions.
    whole = _inlined(schema, schema.get("$defs", {}))
    return {"requestBody": {"required": True, "content": {kind: {"schema": whole}}}}


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    """A JSON Schema with its references replaced by their definitions; none of our bodies is recursive."""
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    body = cast("dict[str, Any]", value)
    if "$ref" in body:
        return _inlined(definitions[body["$ref"].removeprefix("#/$defs/")], definitions)
    return {name: _inlined(item, definitions) for name, item in body.items() if name != "$defs"}
