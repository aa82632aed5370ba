"""What a sink accepts, its masks, and where its objects go; and `Retry-After`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runwright.domain.deliveries import sinks, webhooks
from runwright.domain.deliveries.buckets import S3Sink
from runwright.domain.deliveries.webhooks import Webhook, WebhookSink
from runwright.domain.text import retry_after
from runwright.domain.text.fields import InvalidFields
from runwright.domain.text.urls import MASK

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_WEBHOOK: dict[str, Any] = {"type": "webhook", "url": "https://example.com/hook"}
_S3: dict[str, Any] = {
    "type": "s3",
    "bucket": "b",
    "accessKeyId": "a",
    "secretAccessKey": "hush",
    "region": "r",
}


def _webhook(**more: Any) -> WebhookSink:
    sink = sinks.parse({**_WEBHOOK, **more})
    assert isinstance(sink, WebhookSink)
    return sink


def _bucket(**more: Any) -> S3Sink:
    sink = sinks.parse({**_S3, **more})
    assert isinstance(sink, S3Sink)
    return sink


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "45"}, 45),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "9" * 5000}, 10**9),
        ({"retry-after": "999999999"}, 999_999_999),
        ({"retry-after": "2000000000"}, 10**9),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "\uff14\uff15"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60),
        ({"retry-after": "Thursday, 01-Jan-26 00:01:00 GMT"}, 60),
        ({"retry-after": "Thu Jan  1 00:01:00 2026"}, 60),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 -0000"}, 60),
        ({"retry-after": "Thu, 01 Jan 2026 01:01:00 +0100"}, 60),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT", "date": "noon"}, 60),
        ({"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 0),
        ({"retry-after": "Thu, 01 Jan 99999 00:01:00 GMT"}, None),
        (
            {
                "retry-after": "Thu, 01 Jan 2026 05:01:00 GMT",
                "date": "Thu, 01 Jan 2026 05:00:00 GMT",
            },
            60,
        ),
        ({"retry-after": "Thu, 99 Jan 2026 00:01:00 GMT"}, None),
    ],
)
def test_how_long_a_receiver_asks_to_be_left_alone(
    headers: dict[str, str], seconds: int | None
) -> None:
    found = retry_after.asked(headers, _FIRST)

    assert found == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("more", "api", "is_completed", "wanted"),
    [
        ({}, "a", False, True),
        ({"skipOnFail": True}, "a", False, False),
        ({"skipOnFail": True}, "a", True, True),
        ({"apisToSend": ["a"]}, "a", True, True),
        ({"apisToSend": ["a"]}, "b", True, False),
        ({"apisToSend": []}, "a", True, False),
    ],
    ids=["all", "failed ones not", "completed ones", "this", "another", "none"],
)
def test_what_a_sink_wants(
    more: dict[str, Any], api: str, is_completed: bool, wanted: bool
) -> None:
    sink = sinks.parse({**_WEBHOOK, **more})

    assert sink.wants(api, is_completed=is_completed) is wanted


def test_where_an_object_goes() -> None:
    def key(prefix: str, job: tuple[str, str] | None) -> str:
        sink = _bucket(prefix=prefix)
        return sink.object_key("p", job=job, day=_FIRST, run_id="id")

    assert key("x/y/", None) == "x/y/p/runs/2026-01-01/id.json"
    assert key("", ("j", "jr")) == "p/j/jr/id.json"
    assert key("/a//b c/ü+%20/", None) == "a//b c/ü+%20/p/runs/2026-01-01/id.json"


@pytest.mark.parametrize(
    "value",
    [
        {**_S3, "endpoint": "https://s3.example.com", "forcePathStyle": True},
        {**_S3, "addressingStyle": "virtual", "prefix": "x"},
        {**_WEBHOOK, "url": "https://u:hush@example.com/a?b=hush", "headers": {"X-A": "hush"},
         "apisToSend": ["a"], "skipOnFail": True},
    ],
    ids=["in the path", "in the host", "a webhook"],
)  # fmt: skip
def test_secrets_are_masked_and_a_mask_that_comes_back_keeps_them(value: dict[str, Any]) -> None:
    sink = sinks.parse(value)
    shown = sink.as_json(is_masked=True)

    assert "hush" not in str(shown)
    assert "hush" in sink.secrets
    assert sinks.parse(sinks.unmasked(shown, sink)) == sink
    assert sinks.stored(sink.as_json(is_masked=False)) == sink
    assert sinks.unmasked("anything", sink) == "anything"


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "http://example.com/hook", "https://example.com:8443/hook"]
)
def test_what_is_secret_goes_to_no_other_place(url: str) -> None:
    known = sinks.parse({**_WEBHOOK, "headers": {"x-a": "hush"}})
    changed = {"type": "webhook", "url": url, "headers": {"x-a": MASK, "x-b": "new"}}

    found = sinks.parse(sinks.unmasked(changed, known))

    assert isinstance(found, WebhookSink)
    assert (found.url, found.headers) == (url, (("x-b", "new"),))


@pytest.mark.parametrize(
    "url",
    ["https://u:********@example.com/other", "https://example.com/a?b=********",
     "https://u:********@evil.example/"],
)  # fmt: skip
def test_a_mask_is_no_part_of_another_address(url: str) -> None:
    known = sinks.parse({**_WEBHOOK, "url": "https://u:hush@example.com/a?b=hush"})

    with pytest.raises(InvalidFields, match="mask"):
        sinks.parse(sinks.unmasked({"type": "webhook", "url": url}, known))


def test_headers_are_kept_for_another_path_of_the_same_host() -> None:
    known = sinks.parse({**_WEBHOOK, "headers": {"x-a": "hush"}})

    changed = sinks.unmasked(
        {"type": "webhook", "url": "https://EXAMPLE.com:443/b", "headers": {"x-a": MASK}},
        known,
    )

    assert _webhook(**changed).headers == (("x-a", "hush"),)


def test_what_is_as_long_as_it_may_be_is_taken() -> None:
    given = {"bucket": "b" * 2048, "prefix": "ü" * 350, "secretAccessKey": "hush é"}

    sink = _bucket(**given, endpoint="https://s3.example.com")

    assert (sink.bucket, sink.prefix) == (given["bucket"], given["prefix"])
    assert sink.secret_access_key == "hush é"
    assert sink.endpoint == "https://s3.example.com"
    assert _webhook().headers == ()


def test_of_several_that_are_known_the_one_that_is_shown_so_keeps_its_secrets() -> None:
    known: list[Webhook] = [
        _webhook(url="https://u:p1@example.com/a", headers={"x": "1"}),
        _webhook(url="https://u:p2@example.com/b", headers={"x": "2"}),
        _webhook(url="https://u:p3@example.com/b", headers={"x": "3"}),
    ]

    found = [
        webhooks.unmasked({"url": url, "headers": {"x": MASK}}, known)
        for url in ("https://u:********@example.com/b", known[2].url, "https://example.com/c")
    ]

    assert found == [
        {"url": known[1].url, "headers": {"x": "2"}},
        {"url": known[2].url, "headers": {"x": "3"}},
        {"url": "https://example.com/c", "headers": {"x": "1"}},
    ]


@pytest.mark.parametrize("known", [None, sinks.parse(_S3)])
def test_where_nothing_was_known_a_mask_stands_for_nothing(known: sinks.Sink | None) -> None:
    given = {**_WEBHOOK, "headers": {"x-a": MASK}}

    assert sinks.unmasked(given, known) == given


@pytest.mark.parametrize(
    ("more", "style"),
    [
        ({}, "auto"),
        ({"forcePathStyle": None}, "auto"),
        ({"forcePathStyle": False}, "auto"),
        ({"forcePathStyle": True}, "path"),
        ({"addressingStyle": "virtual"}, "virtual"),
        ({"addressingStyle": "virtual", "forcePathStyle": False}, "virtual"),
        ({"addressingStyle": "path", "forcePathStyle": True}, "path"),
    ],
)
def test_where_the_bucket_s_name_stands(more: dict[str, Any], style: str) -> None:
    assert _bucket(**more).addressing_style == style


def test_a_header_s_value_has_no_white_space_around_it_and_may_be_any_of_the_receiver_s() -> None:
    headers = {"Content-Type": " application/json ", "X-é": "x"}

    with pytest.raises(InvalidFields):
        sinks.parse({**_WEBHOOK, "headers": headers})
    found = _webhook(headers={"Content-Type": "\tapplication/json "})

    assert found.headers == (("Content-Type", "application/json"),)


def test_a_target_tells_nothing_secret() -> None:
    sink = sinks.parse({"type": "webhook", "url": "https://u:p@example.com:8443/a?token=x"})
    bucket = sinks.parse({**_S3, "prefix": "x/y"})

    assert sink.target == "https://example.com:8443/a"
    assert {"p", "x"} <= set(sink.secrets)
    assert bucket.target == "s3://b/x/y"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, ""),
        ({"type": "ftp"}, "type"),
        ({"type": "webhook"}, "url"),
        ({**_WEBHOOK, "url": "ftp://x"}, "url"),
        ({**_WEBHOOK, "url": "http://"}, "url"),
        ({**_WEBHOOK, "url": "http://x:99999/"}, "url"),
        ({**_WEBHOOK, "url": "http://x/ y"}, "url"),
        ({**_WEBHOOK, "url": "http://x/\r\nHost: y"}, "url"),
        ({**_WEBHOOK, "headers": []}, "headers"),
        ({**_WEBHOOK, "headers": {"a": 1}}, "headers.a"),
        ({**_WEBHOOK, "headers": {"a": "x\r\ny: z"}}, "headers.a"),
        ({**_WEBHOOK, "headers": {"a b": "x"}}, "headers.a b"),
        ({**_WEBHOOK, "headers": {"Webhook-Signature": "x"}}, "headers.Webhook-Signature"),
        ({**_WEBHOOK, "headers": {"X-A": "x", "x-a": "y"}}, "headers.x-a"),
        ({**_WEBHOOK, "headers": {"Transfer-Encoding": "chunked"}}, "headers.Transfer-Encoding"),
        ({**_WEBHOOK, "headers": {"a": "日"}}, "headers.a"),
        ({**_WEBHOOK, "headers": {"a": MASK}}, "headers.a"),
        ({**_WEBHOOK, "skipOnFail": 1}, "skipOnFail"),
        ({**_WEBHOOK, "apisToSend": "a"}, "apisToSend"),
        ({**_WEBHOOK, "apisToSend": [1]}, "apisToSend"),
        ({**_S3, "bucket": ""}, "bucket"),
        ({**_S3, "bucket": "b" * 2049}, "bucket"),
        ({**_S3, "region": None}, "region"),
        ({**_S3, "endpoint": "x"}, "endpoint"),
        ({**_S3, "endpoint": "s3.example.com"}, "endpoint"),
        ({**_S3, "endpoint": "https://u:p@s3.example.com"}, "endpoint"),
        ({**_S3, "endpoint": "https://s3.example.com/?a=b"}, "endpoint"),
        ({**_S3, "endpoint": "https://s3.example.com/#a"}, "endpoint"),
        ({**_S3, "accessKeyId": "a b"}, "accessKeyId"),
        ({**_S3, "accessKeyId": "é"}, "accessKeyId"),
        ({**_S3, "secretAccessKey": "hush\n"}, "secretAccessKey"),
        ({**_S3, "secretAccessKey": " hush"}, "secretAccessKey"),
        ({**_S3, "secretAccessKey": "hu\nsh"}, "secretAccessKey"),
        ({**_S3, "secretAccessKey": MASK}, "secretAccessKey"),
        ({**_S3, "prefix": "a/../b"}, "prefix"),
        ({**_S3, "prefix": "./a"}, "prefix"),
        ({**_S3, "prefix": "a\0b"}, "prefix"),
        ({**_S3, "prefix": "a\x7fb"}, "prefix"),
        ({**_S3, "prefix": "ü" * 351}, "prefix"),
        ({**_S3, "forcePathStyle": "true"}, "forcePathStyle"),
        ({**_S3, "addressingStyle": "host"}, "addressingStyle"),
        ({**_S3, "addressingStyle": "virtual", "forcePathStyle": True}, "addressingStyle"),
    ],
    ids=lambda value: None if not isinstance(value, str) else repr(value),
)
def test_what_is_no_sink_is_named_by_its_field(value: Any, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        sinks.parse(value)

    assert caught.value.problems[0].path == path
