"""Sends requests to language model providers: with the operator's key, to the operator's URL, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from runwright.adapters.providers import provider_answers
from runwright.adapters.providers.provider_answers import Answer
from runwright.domain.models import model_endpoints
from runwright.domain.models.model_endpoints import Provider
from runwright.domain.models.model_requests import ModelRequest
from runwright.errors import ProviderNotSet

_CONNECT_SECONDS = 10.0
_KEPT_CONNECTIONS = 20
_WITHOUT_PROXY = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}
_HEADERS = ("anthropic-version", "anthropic-beta", "openai-beta", "x-goog-api-client")
"""Request headers passed on from the author; others may change who pays, or hide usage."""
_PARAMETERS = ("alt", "beta", "api-version")
"""The same for the query: Google's `fields` would cut the usage out of a response."""
_ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderAddress:
    """A provider's URL and key."""

    url: str | None
    """None: the provider's default."""
    key: str | None


class Providers:
    """The providers that the operator has configured; one instance per process."""

    def __init__(self, addresses: Mapping[Provider, ProviderAddress], patience: timedelta) -> None:
        """A provider with neither URL nor key is not configured; `patience` is how long one may be silent."""
        self._addresses = {
            provider: each for provider, each in addresses.items() if each.url or each.key
        }
        self._patience = patience.total_seconds()
        self._client: httpx2.AsyncClient | None = None

    @property
    def present(self) -> tuple[Provider, ...]:
        """The providers that are configured."""
        return tuple(self._addresses)

    def check_any(self) -> None:
        """Raise when no provider is configured.

        Raises:
            ProviderNotSet: none is; the message says what to set.
        """
        if not self._addresses:
            settings = ", ".join(f"`{each.key_setting}`" for each in Provider)
            raise ProviderNotSet(
                "This installation has no language model provider: the operator must set a key, "
                f"one of {settings}."
            )

    def check(self, provider: Provider) -> None:
        """Raise when the provider is not configured.

        Raises:
            ProviderNotSet: it is not; the message says what to set.
        """
        if provider not in self._addresses:
            raise ProviderNotSet(
                f"This installation has no key for the model provider `{provider}`: the operator must set "
                f"`{provider.key_setting}`, or `{provider.url_setting}` for a server without keys."
            )

    @asynccontextmanager
    async def asked(
        self, request: ModelRequest, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> AsyncGenerator[Answer]:
        """Send a request and yield the response once its headers arrive; leaving the block ends the provider's work.

        Only the headers and query parameters that a provider needs are passed on. Redirects are not followed.

        Raises:
            ProviderFailed: there is no response to pass on; the subclass says why.
        """
        provider = request.endpoint.provider
        self.check(provider)
        sent = self._request(request, headers, query)
        with provider_answers.telling(provider, self._patience):
            async with asyncio.timeout(self._patience):
                answer = await self._ready_client(provider).send(sent, stream=True)
        try:
            key = self._addresses[provider].key
            yield await provider_answers.received(provider, answer, key, self._patience)
        finally:
            # Closes the connection unless the response was read to its end.
            await answer.aclose()

    async def close(self) -> None:
        """Close idle connections."""
        if self._client is not None:
            await self._client.aclose()

    def _request(
        self, request: ModelRequest, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> httpx2.Request:
        provider = request.endpoint.provider
        at = self._addresses[provider]
        kept = {name: headers[name] for name in _HEADERS if name in headers}
        if provider is Provider.ANTHROPIC:
            kept.setdefault("anthropic-version", _ANTHROPIC_VERSION)
        limits = httpx2.Timeout(self._patience, connect=_CONNECT_SECONDS, pool=None)
        return httpx2.Request(
            "POST",
            model_endpoints.address(request.endpoint, at.url),
            params={name: query[name] for name in _PARAMETERS if name in query},
            content=request.body,
            headers={
                **kept,
                **_key_header(provider, at.key),
                "content-type": "application/json",
                "accept": "*/*",
                # We read the usage from the response.
                "accept-encoding": "identity",
                "user-agent": "runwright",
            },
            extensions={"timeout": limits.as_dict()},
        )

    def _ready_client(self, provider: Provider) -> httpx2.AsyncClient:
        """The client, created on first use: most installations never call a model.

        Raises:
            ProviderAway: the environment names an invalid proxy.
        """
        if self._client is None:
            try:
                self._client = _client()
            except ValueError as error:
                raise provider_answers.away(provider, error) from error
        return self._client


@asynccontextmanager
async def opened(
    addresses: Mapping[Provider, ProviderAddress], patience: timedelta
) -> AsyncGenerator[Providers]:
    """Yield the providers, and close their connections when the block ends."""
    providers = Providers(addresses, patience)
    try:
        yield providers
    finally:
        await providers.close()


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        # A cookie set for one author must not be sent for the next.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=_KEPT_CONNECTIONS),
        mounts=_WITHOUT_PROXY,
    )


def _key_header(provider: Provider, key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    match provider:
        case Provider.ANTHROPIC:
            return {"x-api-key": key}
        case Provider.OPENAI:
            return {"authorization": f"Bearer {key}"}
        case Provider.GOOGLE:
            return {"x-goog-api-key": key}
