"""Webhooks: where one goes, what is secret of it, and the Sink that one is. Pure."""

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
    """An address that is posted to."""

    kind: Literal[SinkKind.WEBHOOK] = Field(alias="type")
    url: Url = Field(repr=False)
    """Its credentials and query are secret."""
    headers: Headers = Field(default_factory=tuple[tuple[str, str], ...], repr=False)
    """Sent along; secret."""

    def as_json(self, *, is_masked: bool) -> dict[str, Any]:
        """The webhook as a JSON value; masked without its secrets."""
        headers = {name: MASK if is_masked else value for name, value in self.headers}
        url = urls.masked(self.url) if is_masked else self.url
        return {"type": self.kind.value, "url": url, "headers": headers}

    @classmethod
    def stored(cls, body: Mapping[str, Any]) -> Self:
        """The webhook that `as_json` gave, which was checked when it came."""
        return cls.model_construct(**_stored(body))


class WebhookSink(Filters, Webhook):
    """A webhook as a Sink: outcomes are posted to it."""

    url: Annotated[Text, AfterValidator(checked_url)] = Field(repr=False)

    @property
    def target(self) -> str:
        """Where that is, without what is secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def secrets(self) -> list[str]:
        """What must not be shown of it, wherever it is told again."""
        return [*(value for _, value in self.headers), *urls.secrets(self.url)]

    def as_json(self, *, is_masked: bool) -> dict[str, Any]:
        """The Sink as a JSON value; masked without its secrets."""
        return {
            "type": self.kind.value,
            **self.filters_json(),
            **Webhook.as_json(self, is_masked=is_masked),
        }

    @classmethod
    def stored(cls, body: Mapping[str, Any]) -> Self:
        """The Sink that `as_json` gave, which was checked when it came."""
        return cls.model_construct(**_stored(body), **cls.stored_filters(body))

    def unmask(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body with the secrets of this Sink where it has masks."""
        return unmasked(body, [self])

    def elsewhere(self, url: str) -> WebhookSink:
        """The Sink with another address; what it sends along is not for another host.

        Raises:
            ValueError: it is none.
        """
        checked = checked_url(str(urls.unmasked(url, self.url)))
        headers = self.headers if urls.is_same_origin(checked, self.url) else ()
        return self.model_copy(update={"url": checked, "headers": headers})


def as_sink(webhook: Webhook) -> WebhookSink:
    """The Sink that takes all that is sent to a webhook."""
    return WebhookSink.model_construct(kind=webhook.kind, url=webhook.url, headers=webhook.headers)


def unmasked(body: dict[str, Any], known: Sequence[Webhook]) -> dict[str, Any]:
    """A webhook's body with the secrets of the known one that it is shown for, or leads to the host of.

    What leads to none of their hosts goes without what was masked.
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
