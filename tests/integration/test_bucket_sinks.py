"""Objects for Sinks: put exactly where boto3 puts them, and delivered only once they are confirmed."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import Config
from helpers.server import environment
from outside import recorders
from outside.recorders import Answer, Recorder, Seen

from runwright.adapters.blobs import boto
from runwright.adapters.blobs.s3 import Buckets, NotWritten
from runwright.adapters.webhook import NotSent, Reply, Sender
from runwright.domain.deliveries import sinks
from runwright.domain.deliveries.buckets import S3Sink
from runwright.domain.text.fields import InvalidFields

_SINK: dict[str, Any] = {
    "type": "s3",
    "bucket": "results",
    "region": "eu-central-1",
    "accessKeyId": "AKID/odd+user@x",
    "secretAccessKey": "very secret é%/+",
}
_ACCESS_POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"
_ENDPOINTS = (
    None, "http://127.0.0.1:9000", "http://127.0.0.1:9000/", "http://127.0.0.1:9000/base/",
    "https://s3.example.com", "https://s3.example.com:443", "https://s3.example.com:8443/a/b",
    "http://s3.example.com:80/", "http://[::1]:9000", "https://S3.Example.COM", "https://h.example./",
    "https://account.r2.cloudflarestorage.com", "https://s3.eu-central-1.amazonaws.com",
    "https://results.s3.example.com", "http://my_minio:9000", "http://host:9000",
)  # fmt: skip
_REGIONS = (
    "us-east-1", "auto", "aws-global", "EU", "cn-north-1", "us-gov-west-1", "mars-1", "a.b",
    "under_score", "us east", "-x", "x" * 70,
)  # fmt: skip
_BUCKETS = (
    "my.dotted.bucket", "UPPER", "under_score", "a", "xn--x", "192.168.1.1", "b..c", "-x", "a/b",
    "a b", "a%b", "a?b", "é", "x" * 64, "x" * 256, _ACCESS_POINT, "arn:nonsense",
    "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
    "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/ap", "x--use1-az4--x-s3",
)  # fmt: skip


class _Caught(Exception):
    """The request is seen, and not sent."""


def _cases() -> Iterator[dict[str, Any]]:
    """Yield sinks that differ in what decides about a place."""
    fields = itertools.chain(
        itertools.product(_ENDPOINTS, ("eu-central-1",), ("results",), (True, None)),
        itertools.product(_ENDPOINTS[:4:3], _REGIONS, ("results",), (None,)),
        itertools.product(_ENDPOINTS[:5:4], ("us-west-2",), _BUCKETS, (None,)),
        itertools.product(_ENDPOINTS[:5:4], ("us-west-2",), (_BUCKETS[0], _ACCESS_POINT), (True,)),
    )
    for endpoint, region, bucket, forced in fields:
        more = {"endpoint": endpoint, "forcePathStyle": forced}
        yield {**_SINK, "region": region, "bucket": bucket, **more}


def _parsed(value: dict[str, Any]) -> S3Sink:
    sink = sinks.parse(value)
    assert isinstance(sink, S3Sink)
    return sink


def _client(sink: dict[str, Any]) -> Any:
    """Return boto3's own client with the same fields."""
    style: Any = {"addressing_style": "path"}
    return boto3.client(
        "s3",
        region_name=sink["region"],
        endpoint_url=sink.get("endpoint"),
        aws_access_key_id=sink["accessKeyId"],
        aws_secret_access_key=sink["secretAccessKey"],
        config=Config(s3=style) if sink.get("forcePathStyle") else None,
    )


def _place_of_boto3(sink: dict[str, Any], key: str) -> tuple[str, str, str] | None:
    """Return method, address and who signs for what, or None where boto3 makes no request."""
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> None:
        caught.append(request)
        raise _Caught

    try:
        client = _client(sink)
        client.meta.events.register("before-send.s3", catch)
        client.put_object(Bucket=sink["bucket"], Key=key, Body=b"{}")
    except Exception:  # noqa: BLE001 - whatever it says of what it refuses
        if not caught:
            return None
    return _told(caught[0].method, caught[0].url, dict(caught[0].headers.items()))


def _our_place(sink: dict[str, Any], key: str) -> tuple[str, str, str] | None:
    caught: list[tuple[str, str, dict[Any, Any]]] = []

    def catch(method: str, url: str, headers: list[tuple[bytes, bytes]], _: bytes) -> Reply:
        caught.append((method, url, dict(headers)))
        raise NotSent

    try:
        parsed = _parsed(sink)
        boto.check(parsed, key)
    except InvalidFields:
        return None
    with pytest.raises(NotSent):
        boto.put(parsed, key, b"{}", catch)
    return _told(*caught[0])


def _told(method: str, url: str, headers: dict[Any, Any]) -> tuple[str, str, str]:
    plain = {_text(name).lower(): _text(value) for name, value in headers.items()}
    return method, url, plain["authorization"].partition(",")[0]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_an_object_s_place_is_that_of_boto3_or_the_sink_is_refused() -> None:
    differing = {
        json.dumps(sink): (theirs, ours)
        for sink in _cases()
        if (theirs := _place_of_boto3(sink, "k/x.json")) != (ours := _our_place(sink, "k/x.json"))
    }

    assert differing == {}


@pytest.fixture(name="recorder")
def _recorder() -> Iterator[Recorder]:
    with recorders.recording() as recorder:
        yield recorder


def _buckets(*, seconds: float = 5) -> Buckets:
    patience = timedelta(seconds=seconds)
    return Buckets(Sender(allow_private=True, timeout=patience), patience=patience)


async def _put(recorder: Recorder, key: str = "p/x.json", **more: Any) -> None:
    sink = _parsed({**_SINK, "endpoint": recorder.url, **more})
    await _buckets().put(sink, key, b'{"a": 1}')


@pytest.mark.parametrize(
    "key",
    ["p/x.json", "日本/résumé 😀.json", "a b/c+d", "a%20b/%", "a//b", "/x", "~._-!*'()$&,;=:@", "a?b#c",
     "a\\b", "e\u0301"],
)  # fmt: skip
async def test_what_goes_over_the_wire_is_what_boto3_sends(recorder: Recorder, key: str) -> None:
    sinks_of_it = [
        {**_SINK, "endpoint": recorder.url},
        {**_SINK, "endpoint": f"{recorder.url}/base/", "bucket": "Dotted.Bucket"},
    ]
    for sink in sinks_of_it:
        recorder.seen.clear()
        _client(sink).put_object(Bucket=sink["bucket"], Key=key, Body=b"{}")
        await _buckets().put(_parsed(sink), key, b"{}")
        theirs, ours = recorder.seen

        assert (ours.method, ours.target, ours.body) == (theirs.method, theirs.target, theirs.body)
        assert [ours.headers["host"], _scope(ours)] == [theirs.headers["host"], _scope(theirs)]
        assert ours.headers["x-amz-content-sha256"] == theirs.headers["x-amz-content-sha256"]


def _scope(seen: Seen) -> str:
    return seen.headers["authorization"].partition(",")[0]


async def test_a_bucket_of_another_region_is_found_as_boto3_finds_it(recorder: Recorder) -> None:
    moved = Answer(status=301, headers={"x-amz-bucket-region": "us-west-2"})
    recorder.answers = [moved]

    await _put(recorder, region="us-east-1", accessKeyId="moved")

    first, second = recorder.seen
    assert "/us-east-1/s3/" in first.headers["authorization"]
    assert "/us-west-2/s3/" in second.headers["authorization"]
    assert (second.method, second.target, second.body) == ("PUT", "/results/p/x.json", b'{"a": 1}')


def _error(code: str, message: str = "No.") -> bytes:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<?xml version="1.0"?>{text}'.encode()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(body=_error("InternalError")), "InternalError"),
        (Answer(headers={}), "not from S3"),
        (Answer(headers={"content-type": "text/html"}, body=b"<html>Welcome"), "500"),
        (Answer(status=204, headers={}), "not from S3"),
        (Answer(status=307, headers={"location": "http://127.0.0.1:9/"}), "307"),
        (Answer(status=308, headers={"location": "http://127.0.0.1:9/"}), "308"),
        (Answer(status=400, body=_error("ExpiredToken")), "ExpiredToken"),
        (Answer(status=403, body=_error("RequestTimeTooSkewed")), "RequestTimeTooSkewed"),
        (Answer(status=404, body=_error("NoSuchBucket")), "NoSuchBucket"),
        (Answer(status=405, body=b"<html><body>nginx"), "405"),
        (Answer(status=502, body=b"\xff\x00<"), "502"),
        (Answer(status=500, body=b"<" * 200_000), "500"),
        (Answer(misdeed="cuts"), "ProtocolError"),
        (Answer(misdeed="trickles"), "no answer within 1 s"),
        (Answer(misdeed="hangs"), "no answer within 1 s"),
    ],
    ids=["error", "no ETag", "page", "empty", "307", "308", "expired", "skewed", "no bucket", "405",
         "binary", "large", "cut", "trickles", "hangs"],
)  # fmt: skip
async def test_what_is_not_there_is_not_taken_for_there(
    recorder: Recorder, answer: Answer, reason: str
) -> None:
    recorder.answers = [answer] * 3
    sink = _parsed({**_SINK, "endpoint": recorder.url})

    with pytest.raises((NotWritten, NotSent), match=reason):
        await _buckets(seconds=1).put(sink, "p/x.json", b"{}")


async def test_what_an_answer_says_of_when_to_come_again_is_told(recorder: Recorder) -> None:
    recorder.answers = [Answer(status=503, headers={"Retry-After": "45"}, body=_error("SlowDown"))]

    with pytest.raises(NotWritten, match="SlowDown") as caught:
        await _put(recorder)

    assert caught.value.headers["retry-after"] == "45"


async def test_an_endpoint_at_a_private_address_is_refused(recorder: Recorder) -> None:
    patience = timedelta(seconds=5)
    buckets = Buckets(Sender(allow_private=False, timeout=patience), patience=patience)
    sink = _parsed({**_SINK, "endpoint": recorder.url})

    with pytest.raises(NotSent, match=r"127\.0\.0\.1 is private"):
        await buckets.put(sink, "p/x.json", b"{}")

    assert recorder.seen == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]"])
async def test_no_setting_opens_an_endpoint_at_a_link_local_address(host: str) -> None:
    sink = _parsed({**_SINK, "endpoint": f"http://{host}"})

    with pytest.raises(NotSent, match="is link-local"):
        await _buckets().put(sink, "p/x.json", b"{}")


_PUTS = """
import asyncio, json, sys
from datetime import timedelta
from runwright.adapters.blobs.s3 import Buckets
from runwright.adapters.webhook import Sender
from runwright.domain.deliveries import sinks

seconds = timedelta(seconds=10)
buckets = Buckets(Sender(allow_private=True, timeout=seconds), patience=seconds)
asyncio.run(buckets.put(sinks.parse(json.loads(sys.argv[1])), "x.json", b"{}"))
"""


def test_nothing_of_the_machine_s_own_settings_for_aws_reaches_an_endpoint(
    recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / ".aws/models/s3/2006-03-01").mkdir(parents=True)
    (tmp_path / ".aws/models/s3/2006-03-01/service-2.json").write_text("{}")
    hostile = (
        "region = xx-own-1\nendpoint_url = http://127.0.0.1:9/own\nsigv4a_signing_region_set = *\n"
        "s3 =\n    addressing_style = virtual\n    payload_signing_enabled = false\n"
        "[profile own]\naws_access_key_id = OWNFILE\naws_secret_access_key = o\n"
    )
    (tmp_path / ".aws/config").write_text(f"[default]\n{hostile}")
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = OWNFILE\naws_secret_access_key = o\naws_session_token = OWN\n"
    )
    settings = {
        "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "OWNKEY", "AWS_SECRET_ACCESS_KEY": "own",
        "AWS_SESSION_TOKEN": "OWNTOKEN", "AWS_REGION": "xx-own-1", "AWS_DEFAULT_REGION": "xx-own-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_PROFILE": "no-such", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_S3_USE_ARN_REGION": "false", "AWS_DEFAULTS_MODE": "auto", "AWS_CSM_ENABLED": "true",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "nonsense", "AWS_MAX_ATTEMPTS": "9",
        "AWS_RETRY_MODE": "adaptive", "AWS_CA_BUNDLE": "/none", "AWS_DATA_PATH": str(tmp_path),
        "AWS_SDK_UA_APP_ID": "OWNAPP", "AWS_EXECUTION_ENV": "OWNENV", "AWS_ACCOUNT_ID": "1" * 12,
        "AWS_LAMBDA_FUNCTION_NAME": "OWN", "_X_AMZN_TRACE_ID": "OWNTRACE",
        "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_CONFIG_FILE": str(tmp_path / ".aws/config"),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/own",
        "HTTP_PROXY": "http://own:own@127.0.0.1:9", "http_proxy": "http://own:own@127.0.0.1:9",
        "ALL_PROXY": "http://own:own@127.0.0.1:9", "NO_PROXY": "", "no_proxy": "",
    }  # fmt: skip
    sink = {**_SINK, "endpoint": recorder.url}
    for more in ({}, settings):
        command = [sys.executable, "-c", _PUTS, json.dumps(sink)]
        subprocess.run(command, env=environment(**more), check=True, timeout=120)
    plain, ours = recorder.seen

    assert (ours.target, _scope(ours)) == (plain.target, _scope(plain))
    assert set(ours.headers) == set(plain.headers)
    assert ours.headers["user-agent"] == "Runwright"
    assert "own" not in str(ours).lower().replace("unknown", "")
    assert f"Credential={_SINK['accessKeyId']}/{time.strftime('%Y')}" in _scope(ours)


def test_who_has_no_bucket_does_not_load_what_writes_to_one() -> None:
    source = "import sys, runwright.processes; print([n for n in sys.modules if 'boto' in n])"

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, check=True, text=True
    )

    assert done.stdout.strip() == "[]"
