"""Sinks: where outcomes go, which of them, and when a failed try is repeated. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit

MASK = "********"
"""Stands for a secret in answers; sent back, it means that the secret stays."""
_FIRST_DELAY = timedelta(seconds=10)
_LONGEST_DELAY = timedelta(minutes=2)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4096}")
_OWN_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "content-type", "webhook-id",
     "webhook-timestamp", "webhook-signature")
)  # fmt: skip
_MAX_TEXT = 2048


class SinkKind(StrEnum):
    """What takes a Delivery."""

    WEBHOOK = "webhook"
    S3 = "s3"


class InvalidSink(ValueError):
    """A sink's field is wrong; `path` says which."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, kw_only=True, slots=True)
class Sink:
    """Where the outcomes of Runs go."""

    kind: SinkKind
    skip_on_fail: bool = False
    """Only completed Runs are delivered."""
    apis_to_send: tuple[str, ...] | None = None
    """Only Runs of these Apis are; None: all."""
    url: str = ""
    """Of a webhook."""
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
    force_path_style: bool = False

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


def next_delay(
    *, first_try_at: datetime, failures: int, now: datetime, window: timedelta
) -> timedelta | None:
    """Return how long to wait after so many failures, or None when the window is over by then."""
    delay = min(_FIRST_DELAY * 2 ** min(failures - 1, 10), _LONGEST_DELAY)
    return delay if now + delay <= first_try_at + window else None


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
    fields = _Fields(cast("dict[str, Any]", value))
    kind = fields.text("type")
    common: dict[str, Any] = {
        "skip_on_fail": fields.boolean("skipOnFail"),
        "apis_to_send": fields.texts("apisToSend"),
    }
    if kind == SinkKind.WEBHOOK:
        return Sink(
            kind=SinkKind.WEBHOOK,
            url=checked_url(fields.text("url"), "url"),
            headers=checked_headers(fields.value("headers"), "headers"),
            **common,
        )
    if kind == SinkKind.S3:
        endpoint = fields.text("endpoint", default="")
        return Sink(
            kind=SinkKind.S3,
            bucket=fields.text("bucket"),
            access_key_id=fields.text("accessKeyId"),
            secret_access_key=fields.text("secretAccessKey"),
            region=fields.text("region"),
            prefix=fields.text("prefix", default=""),
            endpoint=checked_url(endpoint, "endpoint") if endpoint else None,
            force_path_style=fields.boolean("forcePathStyle"),
            **common,
        )
    raise InvalidSink("type", "must be `webhook` or `s3`")


def as_json(sink: Sink, *, is_masked: bool) -> dict[str, Any]:
    """Return a sink as a JSON value; masked without its secrets."""
    body: dict[str, Any] = {"type": sink.kind.value, "skipOnFail": sink.skip_on_fail}
    if sink.apis_to_send is not None:
        body["apisToSend"] = list(sink.apis_to_send)
    if sink.kind is SinkKind.WEBHOOK:
        headers = {name: MASK if is_masked else value for name, value in sink.headers}
        return {**body, "url": sink.url, "headers": headers}
    body |= {
        "bucket": sink.bucket,
        "accessKeyId": sink.access_key_id,
        "secretAccessKey": MASK if is_masked else sink.secret_access_key,
        "region": sink.region,
        "prefix": sink.prefix,
        "forcePathStyle": sink.force_path_style,
    }
    if sink.endpoint is not None:
        body["endpoint"] = sink.endpoint
    return body


def unmasked(value: Any, known: Sink | None) -> Any:
    """Return a JSON value with the secrets of a known sink where it has masks."""
    if known is None or not isinstance(value, dict):
        return value
    body = dict(cast("dict[str, Any]", value))
    if body.get("secretAccessKey") == MASK:
        body["secretAccessKey"] = known.secret_access_key
    headers = body.get("headers")
    if isinstance(headers, dict):
        secret = dict(known.headers)
        body["headers"] = {
            name: secret.get(str(name), MASK) if given == MASK else given
            for name, given in cast("dict[str, Any]", headers).items()
        }
    return body


def checked_url(text: str, path: str) -> str:
    """Return an address of http or https as it was given.

    Raises:
        InvalidSink: it is none.
    """
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or any(char <= " " or char == "\x7f" for char in text):
        raise InvalidSink(path, "must be an http or https address")
    return text


def checked_headers(value: Any, path: str) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs.

    Raises:
        InvalidSink: one cannot be sent, or is the platform's own.
    """
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise InvalidSink(path, "must be an object of texts")
    found: list[tuple[str, str]] = []
    for name, text in cast("dict[Any, Any]", value).items():
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise InvalidSink(f"{path}.{name}", "must be a text that a header can hold")
        if not _HEADER_NAME.fullmatch(str(name)) or str(name).lower() in _OWN_HEADERS:
            raise InvalidSink(f"{path}.{name}", "is no name of a header, or one that is set here")
        found.append((str(name), text))
    return tuple(found)


class _Fields:
    """Takes typed fields out of a JSON object; null means absent."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def value(self, name: str) -> Any:
        return self._body.get(name)

    def text(self, name: str, *, default: str | None = None) -> str:
        value = self._body.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > _MAX_TEXT or (not value and default is None):
            raise InvalidSink(name, f"must be a text of 1 to {_MAX_TEXT} characters")
        return value

    def boolean(self, name: str) -> bool:
        value = self._body.get(name)
        if value not in (None, True, False) or isinstance(value, int) != isinstance(value, bool):
            raise InvalidSink(name, "must be true or false")
        return value is True

    def texts(self, name: str) -> tuple[str, ...] | None:
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise InvalidSink(name, "must be a list of texts")
        items = cast("list[Any]", value)
        if not all(isinstance(item, str) for item in items):
            raise InvalidSink(name, "must be a list of texts")
        return tuple(str(item) for item in items)
