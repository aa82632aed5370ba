"""Webhooks: their URLs and secrets, and webhooks as Sinks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from runwright.domain.deliveries.sink_fields import (
    Filters,
    Headers,
    SinkKind,
    Text,
    Url,
    checked_url,
)
from runwright.domain.text import urls
from runwright.domain.text.fields import Fields
from runwright.domain.text.urls import MASK


class Webhook(Fields):
    """A URL to post to."""

    kind: Literal[SinkKind.WEBHOOK] = Field(alias="type")
    url: Url = Field(repr=False)
    """The credentials and query are secret."""
    headers: Headers = Field(default_factory=tuple[tuple[str, str], ...], repr=False)
    """Sent with each request; secret."""

    def as_json(self, *, is_masked: bool) -> dict[str, Any]:
        """The webhook as a JSON value; secrets are masked if asked."""
        headers = {name: MASK if is_masked else value for name, value in self.headers}
        url = urls.masked(self.url) if is_masked else self.url
        return {"type": self.kind.value, "url": url, "headers": headers}

    @classmethod
    def stored(cls, body: Mapping[str, Any]) -> Self:
        """Load a webhook that `as_json` wrote; it was validated when it was accepted."""
        return cls.model_construct(**_stored(body))


class WebhookSink(Filters, Webhook):
    """A webhook as a Sink: outcomes are posted to it."""

    url: Annotated[Text, AfterValidator(checked_url)] = Field(repr=False)

    @property
    def target(self) -> str:
        """The destination, without secrets."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def secrets(self) -> list[str]:
        """Secrets to redact wherever a receiver's text is shown."""
        return [*(value for _, value in self.headers), *urls.secrets(self.url)]

    def as_json(self, *, is_masked: bool) -> dict[str, Any]:
        """The Sink as a JSON value; secrets are masked if asked."""
        return {
            "type": self.kind.value,
            **self.filters_json(),
            **Webhook.as_json(self, is_masked=is_masked),
        }

    @classmethod
    def stored(cls, body: Mapping[str, Any]) -> Self:
        """Load a Sink that `as_json` wrote; it was validated when it was accepted."""
        return cls.model_construct(**_stored(body), **cls.stored_filters(body))

    def unmask(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body with its masks replaced by this Sink's secrets."""
        return unmasked(body, [self])

    def elsewhere(self, url: str) -> WebhookSink:
        """The Sink with another URL; its headers are kept only for the same origin.

        Raises:
            ValueError: the URL is invalid.
        """
        checked = checked_url(str(urls.unmasked(url, self.url)))
        headers = self.headers if urls.is_same_origin(checked, self.url) else ()
        return self.model_copy(update={"url": checked, "headers": headers})


def as_sink(webhook: Webhook) -> WebhookSink:
    """A Sink that posts every outcome to a webhook."""
    return WebhookSink.model_construct(kind=webhook.kind, url=webhook.url, headers=webhook.headers)


def unmasked(body: dict[str, Any], known: Sequence[Webhook]) -> dict[str, Any]:
    """A webhook's body with its masks replaced by the secrets of the known webhook with the same URL or origin.

    If known webhooks exist but none matches, masked headers are dropped.
    """
    given = body.get("url")
    exact = [each for each in known if given in (each.url, urls.masked(each.url))]
    alike = exact or [each for each in known if urls.is_same_origin(str(given), each.url)]
    found = body | ({"url": exact[0].url} if exact else {})
    named: Any = body.get("headers")
    if isinstance(named, dict) and known:
        secret = dict(alike[0].headers) if alike else {}
        found["headers"] = {
            name: secret.get(str(name), MASK) if text == MASK else text
            for name, text in cast("dict[str, Any]", named).items()
            if alike or text != MASK
        }
    return found


def _stored(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": SinkKind(body["type"]),
        "url": body["url"],
        "headers": tuple(body.get("headers", {}).items()),
    }
