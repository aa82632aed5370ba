"""Sinks: where outcomes go, which of them, and when a failed try is repeated. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit

from runwright.domain.deliveries import sink_fields
from runwright.domain.deliveries.sink_fields import Fields, InvalidSink
from runwright.domain.text import urls
from runwright.domain.text.urls import MASK

Webhook = tuple[str, tuple[tuple[str, str], ...]]
"""Address and headers of one."""


class SinkKind(StrEnum):
    """What takes a Delivery."""

    WEBHOOK = "webhook"
    S3 = "s3"


class AddressingStyle(StrEnum):
    """Where an S3 has the bucket's name: boto3's words."""

    AUTO = "auto"
    """In the host at Amazon's, where it can stand there; in the path at an endpoint of another."""
    PATH = "path"
    VIRTUAL = "virtual"
    """In the host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sink:
    """Where the outcomes of Runs go."""

    kind: SinkKind
    skip_on_fail: bool = False
    """Only completed Runs are delivered."""
    apis_to_send: tuple[str, ...] | None = None
    """Only Runs of these Apis are; None: all."""
    url: str = ""
    """Of a webhook; its credentials and query are secret."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent along; secret."""
    bucket: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    """Secret."""
    region: str = ""
    prefix: str = ""
    endpoint: str | None = None
    """Of an S3 that is not Amazon's."""
    addressing_style: AddressingStyle = AddressingStyle.AUTO

    def wants(self, api: str, *, is_completed: bool) -> bool:
        """Return whether the outcome of a Run that ended so goes here."""
        if self.skip_on_fail and not is_completed:
            return False
        return self.apis_to_send is None or api in self.apis_to_send

    @property
    def target(self) -> str:
        """Return where that is, without what is secret."""
        if self.kind is SinkKind.S3:
            return f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def secrets(self) -> list[str]:
        """Return what must not be shown of it, wherever it is told again."""
        headers = [value for _, value in self.headers]
        return [*headers, self.secret_access_key, *(urls.secrets(self.url) if self.url else [])]


def object_key(
    sink: Sink, project: str, *, job: tuple[str, str] | None, day: datetime, run_id: str
) -> str:
    """Return the key of a Run's object: by Job and JobRun, or by day."""
    folder = f"{job[0]}/{job[1]}" if job is not None else f"runs/{day:%Y-%m-%d}"
    return f"{sink.prefix.strip('/')}/{project}/{folder}/{run_id}.json".lstrip("/")


def parse(value: Any) -> Sink:
    """Return the sink that a JSON value describes.

    Raises:
        InvalidSink: it is none; says which field is wrong.
    """
    if not isinstance(value, dict):
        raise InvalidSink("", "must be an object")
    fields = Fields(cast("dict[str, Any]", value))
    kind = fields.text("type")
    if kind == SinkKind.WEBHOOK:
        return _webhook(fields)
    if kind == SinkKind.S3:
        return _bucket(fields)
    raise InvalidSink("type", "must be `webhook` or `s3`")


def as_json(sink: Sink, *, is_masked: bool) -> dict[str, Any]:
    """Return a sink as a JSON value; masked without its secrets."""
    body: dict[str, Any] = {"type": sink.kind.value, "skipOnFail": sink.skip_on_fail}
    if sink.apis_to_send is not None:
        body["apisToSend"] = list(sink.apis_to_send)
    if sink.kind is SinkKind.WEBHOOK:
        return body | webhook_json(sink.url, sink.headers, is_masked=is_masked)
    body |= {
        "bucket": sink.bucket,
        "accessKeyId": sink.access_key_id,
        "secretAccessKey": MASK if is_masked else sink.secret_access_key,
        "region": sink.region,
        "prefix": sink.prefix,
        "forcePathStyle": sink.addressing_style is AddressingStyle.PATH,
    }
    if sink.addressing_style is AddressingStyle.VIRTUAL:
        body["addressingStyle"] = sink.addressing_style.value
    if sink.endpoint is not None:
        body["endpoint"] = sink.endpoint
    return body


def stored(body: Mapping[str, Any]) -> Sink:
    """Return the sink that `as_json` gave, which was checked when it came."""
    apis = body.get("apisToSend")
    style = AddressingStyle.PATH if body.get("forcePathStyle") else AddressingStyle.AUTO
    return Sink(
        kind=SinkKind(body["type"]),
        skip_on_fail=body["skipOnFail"],
        apis_to_send=None if apis is None else tuple(apis),
        url=body.get("url", ""),
        headers=tuple(body.get("headers", {}).items()),
        bucket=body.get("bucket", ""),
        access_key_id=body.get("accessKeyId", ""),
        secret_access_key=body.get("secretAccessKey", ""),
        region=body.get("region", ""),
        prefix=body.get("prefix", ""),
        endpoint=body.get("endpoint"),
        addressing_style=AddressingStyle(body.get("addressingStyle", style)),
    )


def unmasked(value: Any, known: Sink | None) -> Any:
    """Return a JSON value with the secrets of a known sink where it has masks."""
    if known is None or not isinstance(value, dict):
        return value
    body = dict(cast("dict[str, Any]", value))
    if body.get("secretAccessKey") == MASK:
        body["secretAccessKey"] = known.secret_access_key
    return webhook_unmasked(body, [(known.url, known.headers)] if known.url else [])


def webhook_json(
    url: str, headers: tuple[tuple[str, str], ...], *, is_masked: bool
) -> dict[str, Any]:
    """Return where a webhook goes as JSON fields; masked without its secrets."""
    if is_masked:
        return {"url": urls.masked(url), "headers": {name: MASK for name, _ in headers}}
    return {"url": url, "headers": dict(headers)}


def webhook_unmasked(body: dict[str, Any], known: Sequence[Webhook]) -> dict[str, Any]:
    """Return such fields with the secrets of the known one that they are shown for, or lead to the host of.

    What leads to none of their hosts goes without what was masked.
    """
    given = body.get("url")
    exact = [each for each in known if given in (each[0], urls.masked(each[0]))]
    alike = exact or [each for each in known if urls.is_same_origin(str(given), each[0])]
    found = body | ({"url": exact[0][0]} if exact else {})
    named: Any = body.get("headers")
    if isinstance(named, dict) and known:
        secret = dict(alike[0][1]) if alike else {}
        found["headers"] = {
            name: secret.get(str(name), MASK) if text == MASK else text
            for name, text in cast("dict[str, Any]", named).items()
            if alike or text != MASK
        }
    return found


def _webhook(fields: Fields) -> Sink:
    return Sink(
        kind=SinkKind.WEBHOOK,
        url=sink_fields.url(fields.text("url"), "url"),
        headers=sink_fields.headers(fields.value("headers"), "headers"),
        **_filters(fields),
    )


def _bucket(fields: Fields) -> Sink:
    endpoint = fields.text("endpoint", default="")
    return Sink(
        kind=SinkKind.S3,
        bucket=fields.text("bucket"),
        access_key_id=sink_fields.credential(fields, "accessKeyId"),
        secret_access_key=sink_fields.credential(fields, "secretAccessKey"),
        region=fields.text("region"),
        prefix=sink_fields.prefix(fields),
        endpoint=sink_fields.endpoint(endpoint) if endpoint else None,
        addressing_style=_addressing_style(fields),
        **_filters(fields),
    )


def _filters(fields: Fields) -> dict[str, Any]:
    return {
        "skip_on_fail": fields.boolean("skipOnFail"),
        "apis_to_send": fields.texts("apisToSend"),
    }


def _addressing_style(fields: Fields) -> AddressingStyle:
    is_forced = fields.boolean("forcePathStyle")
    given = fields.value("addressingStyle")
    if given is None:
        return AddressingStyle.PATH if is_forced else AddressingStyle.AUTO
    if given not in set(AddressingStyle):
        raise InvalidSink("addressingStyle", "must be `auto`, `path` or `virtual`")
    if is_forced and given != AddressingStyle.PATH:
        raise InvalidSink("addressingStyle", "is not what `forcePathStyle` says")
    return AddressingStyle(given)
