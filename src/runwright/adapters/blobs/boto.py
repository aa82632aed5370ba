"""Puts objects where boto3 would, using botocore; slow to import, so imported only when a bucket is used.

botocore decides where an object goes, signs the request and reads the response, including redirects to another
region. It does not send the request but passes it to a function. This machine's own AWS settings are ignored.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import Config
from botocore.configprovider import ConstantProvider
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidRegionError,
    MissingDependencyException,
)
from botocore.loaders import Loader
from botocore.session import Session

from runwright.adapters.webhook import NotSent, Reply
from runwright.domain.deliveries.buckets import S3Sink
from runwright.domain.text.fields import InvalidFields

Send = Callable[[str, str, list[tuple[bytes, bytes]], bytes], Reply]
"""Sends method, URL, headers and body, and returns the response."""

_CLIENTS = 16
_NO_RETRIES = " (reached max retries: 0)"
# We send our own, or none; `expect` would make us wait for a response before sending the body.
_LEFT_OUT = frozenset(("user-agent", "expect", "x-amzn-trace-id"))

_sending: ContextVar[Send] = ContextVar("sending")
_making = threading.Lock()


class NotTaken(Exception):
    """The bucket did not accept the object; the message says why."""

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}
        """Response headers, by lowercase name."""


class _Built(Exception):
    """Raised in place of sending, once the request has been built."""


def put(sink: S3Sink, key: str, body: bytes, send: Send) -> None:
    """Put an object into the bucket; exceptions from `send` propagate.

    Raises:
        NotTaken: the bucket refused the object, or did not confirm it.
    """
    try:
        answer = _put(sink, key, body, send)
    except ClientError as error:
        told = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        raise NotTaken(str(error).replace(_NO_RETRIES, ""), told) from error
    except NotSent:
        raise
    except Exception as error:
        # There is no telling what botocore raises for a response that no S3 would send.
        raise NotTaken(f"{type(error).__name__}: {error}") from error
    if not answer.get("ETag"):
        # Every S3 sends one, so something else answered: a website, a proxy, a console.
        raise NotTaken("the response has no `ETag`, so it is not from S3: check the endpoint")


def check(sink: S3Sink, key: str) -> None:
    """Reject a bucket that no request can be made for.

    Raises:
        InvalidFields: it is invalid; names the field.
    """
    try:
        _put(sink, key, b"", _stop)
    except _Built:
        return
    except InvalidRegionError as error:
        raise InvalidFields.at("region", "is not the name of a region") from error
    except MissingDependencyException as error:
        raise InvalidFields.at(
            "bucket", "needs a kind of signature (SigV4A) that is not supported"
        ) from error
    except (BotoCoreError, ClientError, ValueError) as error:
        text = " ".join(str(error).split()).removeprefix("Parameter validation failed: ")
        is_endpoint = "endpoint" in text.lower() and sink.endpoint is not None
        path = "endpoint" if is_endpoint else "bucket"
        raise InvalidFields.at(path, f"cannot hold objects: {text}") from error


def _put(sink: S3Sink, key: str, body: bytes, send: Send) -> dict[str, Any]:
    with _sent_by(send):
        client = _client(
            sink.region,
            sink.endpoint,
            sink.addressing_style.value,
            sink.access_key_id,
            sink.secret_access_key,
        )
        digest: dict[str, str] = {}
        if sink.endpoint is not None:
            # The only body checksum that every S3 has always supported.
            sum_of_it = hashlib.md5(body, usedforsecurity=False).digest()
            digest["ContentMD5"] = base64.b64encode(sum_of_it).decode()
        return client.put_object(
            Bucket=sink.bucket, Key=key, Body=body, ContentType="application/json", **digest
        )


@contextmanager
def _sent_by(send: Send) -> Generator[None]:
    token = _sending.set(send)
    try:
        yield
    finally:
        _sending.reset(token)


# A client remembers which region a bucket turned out to be in.
@lru_cache(maxsize=_CLIENTS)
def _client(region: str, endpoint: str | None, style: str, key_id: str, secret: str) -> Any:
    with _making:
        client: Any = _session().create_client(
            "s3",
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=Config(
                s3={"addressing_style": cast("Any", style)},
                # Retries are decided elsewhere, in plain sight.
                retries={"total_max_attempts": 1, "mode": "standard"},
                # Many other implementations reject what Amazon's accepts by default.
                request_checksum_calculation="when_supported"
                if endpoint is None
                else "when_required",
                proxies={},
            ),
        )
    client.meta.events.register("before-send.s3", _send)
    return client


@lru_cache(maxsize=1)
def _session() -> Session:
    """A session with only boto3's defaults: no environment, no files, no instance role."""
    plain: dict[str, Any] = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in Session.SESSION_VARIABLES.items()
    }
    for name in ("config_file", "credentials_file"):
        plain[name] = (None, None, os.devnull, None)
    plain["ignore_configured_endpoint_urls"] = (None, None, True, None)
    session = Session(session_vars=plain)
    session.get_component("config_store").set_config_provider("s3", ConstantProvider({}))
    loader = Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
    )
    session.register_component("data_loader", loader)
    return session


def _send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    body: Any = request.body or b""
    content = body.read() if hasattr(body, "read") else body
    headers = [
        (_bytes(name), _bytes(value))
        for name, value in request.headers.items()
        if name.lower() not in _LEFT_OUT
    ]
    reply = _sending.get()(request.method, request.url, headers, _bytes(content))
    told: Any = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
    return AWSResponse(request.url, reply.status_code, told, _Body(reply.body))


def _stop(*_: object) -> Reply:
    raise _Built


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


class _Body:
    """The response body as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """Yield the whole body."""
        yield self._content
