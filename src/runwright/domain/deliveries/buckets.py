"""S3 buckets as Sinks: the bucket, its credentials, and the keys of objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from runwright.domain.deliveries.sink_fields import (
    AccessKeyId,
    Endpoint,
    Filters,
    Prefix,
    SecretAccessKey,
    SinkKind,
    Text,
)
from runwright.domain.text import fields
from runwright.domain.text.urls import MASK


class AddressingStyle(StrEnum):
    """Where the bucket's name goes in a URL, in boto3's terms."""

    AUTO = "auto"
    """In the host at Amazon, if the name allows it; in the path at any other endpoint."""
    PATH = "path"
    VIRTUAL = "virtual"
    """In the host."""


class S3Sink(Filters):
    """An S3 bucket: each outcome becomes an object."""

    kind: Literal[SinkKind.S3] = Field(alias="type")
    bucket: Text
    access_key_id: AccessKeyId
    secret_access_key: SecretAccessKey = Field(repr=False)
    region: Text
    prefix: Prefix = ""
    endpoint: Endpoint | None = None
    """The URL of an S3 service other than Amazon's."""
    force_path_style: bool = False
    """The older way to ask for `path`."""
    given_style: AddressingStyle | None = Field(default=None, alias="addressingStyle", strict=False)

    @model_validator(mode="after")
    def _agrees_on_the_style(self) -> Self:
        if self.force_path_style and self.given_style not in (None, AddressingStyle.PATH):
            raise fields.wrong_at("addressingStyle", "is not what `forcePathStyle` says")
        return self

    @property
    def addressing_style(self) -> AddressingStyle:
        """Where the bucket's name goes in URLs."""
        default = AddressingStyle.PATH if self.force_path_style else AddressingStyle.AUTO
        return self.given_style or default

    @property
    def target(self) -> str:
        """The destination, without secrets."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def secrets(self) -> list[str]:
        """Secrets to redact wherever a receiver's text is shown."""
        return [self.secret_access_key]

    def object_key(
        self, project: str, *, job: tuple[str, str] | None, day: datetime, run_id: str
    ) -> str:
        """The key of a Run's object: by Job and JobRun, or by day."""
        folder = f"{job[0]}/{job[1]}" if job is not None else f"runs/{day:%Y-%m-%d}"
        return f"{self.prefix.strip('/')}/{project}/{folder}/{run_id}.json".lstrip("/")

    def as_json(self, *, is_masked: bool) -> dict[str, Any]:
        """The Sink as a JSON value; secrets are masked if asked."""
        style = self.addressing_style
        body: dict[str, Any] = {
            "type": self.kind.value,
            **self.filters_json(),
            "bucket": self.bucket,
            "accessKeyId": self.access_key_id,
            "secretAccessKey": MASK if is_masked else self.secret_access_key,
            "region": self.region,
            "prefix": self.prefix,
            "forcePathStyle": style is AddressingStyle.PATH,
        }
        if style is AddressingStyle.VIRTUAL:
            body["addressingStyle"] = style.value
        return body | ({"endpoint": self.endpoint} if self.endpoint else {})

    @classmethod
    def stored(cls, body: Mapping[str, Any]) -> Self:
        """Load a Sink that `as_json` wrote; it was validated when it was accepted."""
        style = body.get("addressingStyle")
        return cls.model_construct(
            kind=SinkKind.S3,
            bucket=body["bucket"],
            access_key_id=body["accessKeyId"],
            secret_access_key=body["secretAccessKey"],
            region=body["region"],
            prefix=body.get("prefix", ""),
            endpoint=body.get("endpoint"),
            force_path_style=body.get("forcePathStyle", False),
            given_style=None if style is None else AddressingStyle(style),
            **cls.stored_filters(body),
        )

    def unmask(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body with its masks replaced by this Sink's secrets."""
        is_masked = body.get("secretAccessKey") == MASK
        return body | {"secretAccessKey": self.secret_access_key} if is_masked else body
