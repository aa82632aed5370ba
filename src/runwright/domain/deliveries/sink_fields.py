"""What all Sinks share, and the fields that a Sink can have. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from runwright.domain.text import fields, urls
from runwright.domain.text.fields import Fields
from runwright.domain.text.urls import MASK

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4096}")
_OWN_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive",
     "proxy-connection", "expect", "te", "trailer", "upgrade",
     "webhook-id", "webhook-timestamp", "webhook-signature")
)  # fmt: skip
"""These control how the request is sent, or prove who sent it."""
_MAX_TEXT = 2048
_MAX_PREFIX_BYTES = 700
"""A key can have 1024 bytes; what follows the prefix never needs more than the remainder."""
_MASKED = "is a mask, and no secret is known here: give the value"


class SinkKind(StrEnum):
    """The kind of destination of a Delivery."""

    WEBHOOK = "webhook"
    S3 = "s3"


def checked_url(text: str) -> str:
    """Return an http or https URL unchanged if it is valid.

    Raises:
        ValueError: the URL is invalid.
    """
    urls.check(text)
    return text


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    """Headers as pairs, their values stripped of whitespace; raises on the first invalid one."""
    if not isinstance(value, dict):
        raise ValueError("must map strings to strings")  # noqa: TRY004 - pydantic reports ValueErrors
    found: dict[str, tuple[str, str]] = {}
    for name, text in cast("dict[str, Any]", value).items():
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise fields.wrong_at(name, "must be a string that a header can hold")
        if text == MASK:
            raise fields.wrong_at(name, _MASKED)
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name) or lower in _OWN_HEADERS:
            raise fields.wrong_at(
                name, "is not the name of a header, or of one that Runwright sets itself"
            )
        if lower in found:
            raise fields.wrong_at(name, f"is the same header as `{found[lower][0]}`")
        found[lower] = (name, text.strip(" \t"))
    return tuple(found.values())


def _access_key_id(text: str) -> str:
    # The key ID is sent in a header; the secret key is never sent.
    if not text.isascii() or " " in text:
        raise ValueError("has characters that no such key has: look for spaces and line ends")
    return _credential(text)


def _credential(text: str) -> str:
    if text == MASK:
        raise ValueError(_MASKED)
    # Copying a key often picks up a line end.
    if text.strip() != text or not text.isprintable():
        raise ValueError("has characters that no such key has: look for spaces and line ends")
    return text


def _prefix(text: str) -> str:
    if len(text.encode()) > _MAX_PREFIX_BYTES:
        raise ValueError(f"must have at most {_MAX_PREFIX_BYTES} bytes of UTF-8")
    if any(char < " " or char == "\x7f" for char in text):
        raise ValueError("must have no control characters")
    if {".", ".."} & set(text.split("/")):
        raise ValueError("must have no part that is `.` or `..`: they are no folders here")
    return text


def _endpoint(text: str) -> str | None:
    """The URL of an S3 service other than Amazon's; an empty string means none."""
    if not text:
        return None
    parts = urlsplit(checked_url(text))
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "must be an address without user, query and fragment, such as `https://s3.example.com`"
        )
    return text


Url = Annotated[str, AfterValidator(checked_url)]
Headers = Annotated[
    tuple[tuple[str, str], ...],
    PlainValidator(_headers),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
Text = Annotated[
    str,
    Field(min_length=1, max_length=_MAX_TEXT),
    fields.Expected(f"must be a string of 1 to {_MAX_TEXT} characters"),
]
_MaybeEmpty = Annotated[
    str,
    Field(max_length=_MAX_TEXT),
    fields.Expected(f"must be a string of at most {_MAX_TEXT} characters"),
]
Texts = Annotated[
    tuple[str, ...],
    Field(strict=False, fail_fast=True),
    fields.Expected("must be an array of strings"),
]
AccessKeyId = Annotated[Text, AfterValidator(_access_key_id)]
SecretAccessKey = Annotated[Text, AfterValidator(_credential)]
Prefix = Annotated[_MaybeEmpty, AfterValidator(_prefix)]
Endpoint = Annotated[_MaybeEmpty, AfterValidator(_endpoint)]


class Filters(Fields):
    """Which outcomes go to a Sink; shared by all kinds of Sinks."""

    skip_on_fail: bool = False
    """Deliver only completed Runs."""
    apis_to_send: Texts | None = None
    """Deliver only Runs of these Apis; None: all."""

    def wants(self, api: str, *, is_completed: bool) -> bool:
        """True when the outcome of a Run of this Api goes to the Sink."""
        if self.skip_on_fail and not is_completed:
            return False
        return self.apis_to_send is None or api in self.apis_to_send

    def filters_json(self) -> dict[str, Any]:
        """The filters as fields of a JSON value."""
        body: dict[str, Any] = {"skipOnFail": self.skip_on_fail}
        return body if self.apis_to_send is None else body | {"apisToSend": list(self.apis_to_send)}

    @staticmethod
    def stored_filters(body: Mapping[str, Any]) -> dict[str, Any]:
        """Filters that `filters_json` wrote, as keyword arguments."""
        apis = body.get("apisToSend")
        return {
            "skip_on_fail": body["skipOnFail"],
            "apis_to_send": None if apis is None else tuple(apis),
        }
