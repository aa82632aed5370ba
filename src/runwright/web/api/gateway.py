"""The gateway to language models: passes an Attempt's requests on to a provider, with the operator's key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send
from typing_extensions import TypedDict

from runwright.adapters.providers.provider_answers import Answer
from runwright.config import Settings
from runwright.control.base.platform import Platform
from runwright.control.runs import author_calls, model_calls
from runwright.control.runs.author_calls import Author
from runwright.control.runs.model_calls import Counted
from runwright.domain.models import model_endpoints, model_prices, model_requests
from runwright.domain.models.model_endpoints import Endpoint
from runwright.domain.models.model_requests import ModelRequest
from runwright.errors import (
    ConfigError,
    NotFound,
    ProviderAway,
    ProviderFailed,
    ProviderNotSet,
    ProviderRefused,
    Unauthorized,
)
from runwright.web.server import bodies, model_streams
from runwright.web.server.model_call_memory import Loan, Room, Turns

_BASE = "/api/{workspace_id}/functions/{project_id}"
_HELD_REQUESTS_BYTES = 256 * 1024 * 1024
_HELD_ANSWER_BYTES = 4 * 1024 * 1024
"""A non-streaming response up to this size is held and sent whole, so that a header can tell its cost."""
_LARGE_BYTES = 256 * 1024
"""Parsing more JSON than this would delay other requests, so a thread does it."""
_MOST_OF_RUN = 32
_MOST = 256
_LONGEST_SECONDS = 3600.0
_EVENTS = "text/event-stream"
_NO_CONTENT, _ERROR = 204, 400

routes = APIRouter(tags=["authors"])


class ProvidersAnswer(TypedDict):
    """The language model providers that the operator has configured."""

    providers: list[str]


class Gateway:
    """State shared by all model calls of one server."""

    def __init__(self, settings: Settings) -> None:
        """Create the shared state.

        Raises:
            ConfigError: the operator's prices are invalid.
        """
        try:
            self.prices = model_prices.read(settings.model_prices or "{}")
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"cannot read the setting `RUNWRIGHT_MODEL_PRICES`: {error}"
            ) from error
        self.requests = Room(_HELD_REQUESTS_BYTES)
        self.calls = Room(_MOST)
        self.turns = Turns(_MOST_OF_RUN)
        self.reading = asyncio.Lock()
        """Large bodies are parsed one at a time, because parsing takes several times their size."""


@routes.get(f"{_BASE}/intuned-ai-gateway", response_model=ProvidersAnswer)
async def providers(request: Request, workspace_id: str, project_id: str) -> Response:
    """List the configured language model providers; 501 when the operator has configured none."""
    platform: Platform = request.app.state.platform
    await _author(request, workspace_id, project_id)
    platform.providers.check_any()
    body: ProvidersAnswer = {"providers": [each.value for each in platform.providers.present]}
    return bodies.answer(body)


@routes.post(
    f"{_BASE}/intuned-ai-gateway/{{path:path}}",
    response_class=Response,
    openapi_extra=bodies.documented(bodies.JSON, {"type": "object"}),
)
async def call(request: Request, workspace_id: str, project_id: str, path: str) -> Response:
    """Pass a request on to its provider, and stream the response back."""
    author, secret = await _author(request, workspace_id, project_id)
    endpoint = model_endpoints.find(path)
    if endpoint is None:
        raise NotFound(f"The gateway to language models serves only {model_endpoints.NAMES}.")
    request.app.state.platform.providers.check(endpoint.provider)
    return _Call(request, author, secret, endpoint)


class _Call(Response):
    """One model call: reads the request, asks the provider, responds; ends early when the client disconnects."""

    def __init__(self, request: Request, author: Author, secret: str, endpoint: Endpoint) -> None:
        super().__init__()
        self._request = request
        self._author = author
        self._secret = secret
        self._endpoint = endpoint
        self._platform: Platform = request.app.state.platform
        self._gateway: Gateway = request.app.state.gateway
        self._is_begun = False
        """Part of the response has been sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        room = self._platform.settings.max_model_request_bytes
        async with (
            self._gateway.turns.taken(self._author.charged_run_id),
            self._gateway.calls.lent(1),
            self._gateway.requests.lent(min(room, _HELD_REQUESTS_BYTES)) as loan,
        ):
            try:
                asked = await self._read(room, loan)
            except ClientDisconnect:
                return
            await self._until_left(self._pass_on(asked, send), receive)

    async def _read(self, limit: int, loan: Loan) -> ModelRequest:
        body = bytearray()
        async for chunk in bodies.stream(self._request, limit):
            body += chunk
        loan.give_back(kept=len(body))
        if len(body) < _LARGE_BYTES:
            return model_requests.parse(self._endpoint, bytes(body), self._secret)
        async with self._gateway.reading:
            return await asyncio.to_thread(
                model_requests.parse, self._endpoint, bytes(body), self._secret
            )

    async def _until_left(self, work: Coroutine[Any, Any, None], receive: Receive) -> None:
        """Run `work` until it is done, the client disconnects, or the Attempt ends."""
        working = asyncio.create_task(work)
        left = asyncio.create_task(_left(receive))
        over = asyncio.create_task(author_calls.over(self._platform, self._author))
        tasks = (working, left, over)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_over = over.done()
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)
        if not working.cancelled():
            working.result()
        elif is_over and not self._is_begun:
            raise Unauthorized("The attempt's token is no longer valid: the attempt is over.")

    async def _pass_on(self, asked: ModelRequest, send: Send) -> None:
        opened = model_calls.opened(self._platform, self._author, asked, self._gateway.prices)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS), opened as call:
                last = await self._ask(asked, call, send)
                # By the time the client has the whole response, it is counted.
                await call.count()
                await send({"type": "http.response.body", "body": last})
        except (ProviderFailed, TimeoutError):
            # A response interrupted in the middle is cut short, which tells its reader.
            if not self._is_begun:
                raise

    async def _ask(self, asked: ModelRequest, call: Counted, send: Send) -> bytes:
        """Send the response, except for its last piece, which is returned."""
        headers, query = self._request.headers, self._request.query_params
        try:
            async with self._platform.providers.asked(asked, headers, query) as answer:
                if answer.status >= _ERROR:
                    call.tally.fail()
                last = await self._answer(asked, call, answer, send)
        except (ProviderAway, ProviderNotSet, ProviderRefused):
            call.tally.fail()
            raise
        call.tally.end()
        return last

    async def _answer(
        self, asked: ModelRequest, call: Counted, answer: Answer, send: Send
    ) -> bytes:
        kind = answer.headers["content-type"]
        if kind == _EVENTS:
            await self._begin(answer, send, {"x-accel-buffering": "no"})
            async for piece in model_streams.events(asked, call.tally.heard, answer.chunks):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            return b""
        held, is_whole = (b"", False) if asked.is_stream else await _held(answer.chunks)
        if is_whole:
            model_streams.hear(call.tally.heard, held)
            call.tally.end()
            more = {} if answer.status == _NO_CONTENT else {"content-length": str(len(held))}
            await self._begin(answer, send, {**more, **_cost(call)})
            return held
        await self._begin(answer, send, {"x-accel-buffering": "no"})
        async for piece in _following(held, answer.chunks):
            call.tally.heard.hear_bytes(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        return b""

    async def _begin(self, answer: Answer, send: Send, more: dict[str, str]) -> None:
        headers = {**answer.headers, "cache-control": "no-store", **more}
        self._is_begun = True
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )


async def _author(request: Request, workspace_id: str, project_id: str) -> tuple[Author, str]:
    """The calling Attempt and its token, from wherever a provider's client puts its key.

    Raises:
        Unauthorized, Forbidden: no credential in the request is a valid token.
    """
    found = _secrets(request)
    for place, secret in enumerate(found, start=1):
        try:
            author = await author_calls.identify(
                request.app.state.platform, secret, workspace_id, project_id
            )
        except Unauthorized:
            if place == len(found):
                raise
        else:
            return author, secret
    raise Unauthorized(
        "Send the attempt's token as the key: `Authorization: Bearer …`, `x-api-key`, `x-goog-api-key` or `?key=…`."
    )


def _secrets(request: Request) -> list[str]:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    found = (
        bearer.strip() if scheme.lower() == "bearer" else "",
        request.headers.get("x-api-key", ""),
        request.headers.get("x-goog-api-key", ""),
        request.query_params.get("key", ""),
    )
    return [each for each in dict.fromkeys(found) if each and each.isascii()]


async def _left(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _held(chunks: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """The beginning of a body, and whether that is all of it."""
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > _HELD_ANSWER_BYTES:
            return bytes(found), False
    return bytes(found), True


async def _following(held: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if held:
        yield held
    async for chunk in chunks:
        yield chunk


def _cost(call: Counted) -> dict[str, str]:
    """The header where helpers of the other format look for the cost of a response."""
    usd = call.tally.used().usd
    return {} if usd is None else {"x-ai-cost-in-cents": f"{usd * 100:.6f}"}
