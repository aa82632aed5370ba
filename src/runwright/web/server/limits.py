"""Refuses requests over this server's or one key's limits with 429, before anything is overloaded."""

from __future__ import annotations

import math
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from runwright.config import Settings
from runwright.errors import RateLimited
from runwright.web.server import errors
from runwright.web.server.waits import Waits, path_of

_ALWAYS = ("/healthz", "/readyz", "/metrics")
_OF_ATTEMPTS = re.compile(r"/api/[^/]+/functions/")
_KEYS_REMEMBERED = 10_000
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class _Bucket:
    """The requests that a key may make right now."""

    tokens: float
    at: float


class Limited:
    """Counts the requests in progress in total and per key; requests that asked to wait are counted separately.

    Never refused: probes, metrics, and an Attempt's requests to the platform. Attempts are bounded by
    slots, and refusing their requests would fail Runs.
    """

    def __init__(
        self,
        app: Any,
        waits: Waits,
        settings: Settings,
        refused: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap `app`; `refused` is called with the reason of every refusal, `clock` returns seconds."""
        self._app = app
        self._waits = waits
        self._settings = settings
        self._refused = refused
        self._clock = clock
        self._acting = 0
        self._waiting = 0
        self._of_key: Counter[bytes] = Counter()
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or _is_exempt(scope):
            await self._app(scope, receive, send)
            return
        key = _key(scope)
        is_waiting = self._waits.is_asked(scope)
        refusal = self._refusal(key, is_waiting=is_waiting)
        if refusal is not None:
            reason, error = refusal
            self._refused(reason)
            await errors.answer(error)(scope, receive, send)
            return
        with self._counted(key, is_waiting=is_waiting):
            await self._app(scope, receive, send)

    def _refusal(self, key: bytes, *, is_waiting: bool) -> tuple[str, RateLimited] | None:
        settings = self._settings
        if is_waiting:
            if self._waiting < settings.max_requests_waiting:
                return self._refusal_of_rate(key)
            return "waiting", RateLimited(
                "Too many requests are waiting on this server: repeat this one without `wait`."
            )
        if self._acting >= settings.max_requests_in_flight:
            return "in_flight", RateLimited("This server is at its limit: try again later.")
        if self._of_key[key] >= settings.key_requests_in_flight:
            message = f"More than {settings.key_requests_in_flight} requests of this key are in progress: wait for some to end."
            return "key_in_flight", RateLimited(message)
        return self._refusal_of_rate(key)

    def _refusal_of_rate(self, key: bytes) -> tuple[str, RateLimited] | None:
        wait = self._wait_for_token(key)
        if not wait:
            return None
        rate = self._settings.key_requests_per_second
        error = RateLimited(f"This key exceeds its {rate:g} requests per second: slow down.")
        error.retry_after = math.ceil(wait)
        return "key_rate", error

    def _wait_for_token(self, key: bytes) -> float:
        """Take one of the key's tokens, and return 0; when there is none, the seconds until there is."""
        rate = self._settings.key_requests_per_second
        if not rate:
            return 0.0
        now, most = self._clock(), max(rate, 1.0)
        bucket = self._buckets.pop(key, None) or _Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        self._buckets[key] = bucket
        while len(self._buckets) > _KEYS_REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / rate
        bucket.tokens -= 1
        return 0.0

    @contextmanager
    def _counted(self, key: bytes, *, is_waiting: bool) -> Generator[None]:
        if is_waiting:
            self._waiting += 1
            try:
                yield
            finally:
                self._waiting -= 1
            return
        self._acting += 1
        self._of_key[key] += 1
        try:
            yield
        finally:
            self._acting -= 1
            self._of_key[key] -= 1
            if not self._of_key[key]:
                del self._of_key[key]


def _is_exempt(scope: _Scope) -> bool:
    path = path_of(scope)
    is_upload = scope["method"] == "PUT" and path.startswith("/files/")
    return path in _ALWAYS or is_upload or _OF_ATTEMPTS.match(path) is not None


def _key(scope: _Scope) -> bytes:
    """The bytes that a request counts against: the key it sends, or else its client's address."""
    for name, value in scope["headers"]:
        if name in (b"x-api-key", b"authorization"):
            return value
    client: tuple[str, int] | None = scope.get("client")
    return b"" if client is None else client[0].encode()
