"""What is read from requests to language models and from their responses, and what that costs."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies

from runwright.domain.models import model_endpoints, model_prices, model_requests
from runwright.domain.models.event_streams import EventStream, data_of
from runwright.domain.models.list_prices import LIST_PRICES
from runwright.domain.models.model_endpoints import Endpoint, Protocol
from runwright.domain.models.model_requests import ModelRequest
from runwright.domain.models.model_usage import Heard, Usage
from runwright.errors import ValidationError


def _endpoint(path: str) -> Endpoint:
    found = model_endpoints.find(path)
    assert found is not None
    return found


def _request(path: str, **body: Any) -> ModelRequest:
    return model_requests.parse(_endpoint(path), json.dumps({"model": "m", **body}).encode(), "tok")


@pytest.mark.parametrize(
    ("path", "base", "address"),
    [
        ("v1/messages", None, "https://api.anthropic.com/v1/messages"),
        ("v1/messages", "http://l:1", "http://l:1/v1/messages"),
        ("v1/messages", "http://l:1/v1", "http://l:1/v1/messages"),
        ("v1/messages", "http://l:1/anthropic", "http://l:1/anthropic/v1/messages"),
        ("responses", None, "https://api.openai.com/v1/responses"),
        ("chat/completions", "http://l:11434", "http://l:11434/v1/chat/completions"),
        ("chat/completions", "http://l:11434/v1", "http://l:11434/v1/chat/completions"),
        ("chat/completions", "https://o.ai/api/v4", "https://o.ai/api/v4/chat/completions"),
        (
            "models/g:generateContent",
            None,
            "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent",
        ),
        (
            "v1/models/g:generateContent",
            "http://l:1/v1beta",
            "http://l:1/v1/models/g:generateContent",
        ),
    ],
)
def test_an_endpoint_has_its_address(path: str, base: str | None, address: str) -> None:
    assert model_endpoints.address(_endpoint(path), base) == address


@given(strategies.text(max_size=60))
def test_no_path_leaves_the_endpoints(path: str) -> None:
    found = model_endpoints.find(path)

    if found is not None:
        assert model_endpoints.find(found.path) is not None
        assert ".." not in found.path.split("/")


def test_a_chat_that_streams_is_asked_for_its_usage() -> None:
    plain = _request("chat/completions", stream=True)
    with_other = _request(
        "chat/completions", stream=True, stream_options={"include_obfuscation": False}
    )
    asked = _request("chat/completions", stream=True, stream_options={"include_usage": True})
    whole = _request("chat/completions")

    assert json.loads(plain.body)["stream_options"] == {"include_usage": True}
    assert json.loads(with_other.body)["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }
    assert [each.is_usage_hidden for each in (plain, with_other, asked, whole)] == [
        True,
        True,
        False,
        False,
    ]
    assert "stream_options" not in json.loads(whole.body)


def test_what_a_request_may_use_is_estimated() -> None:
    image = {"type": "image", "source": {"data": "A" * 400_000}}
    text = _request("messages", max_tokens=100, messages=["word " * 600])
    picture = _request("messages", max_tokens=100, messages=[image])
    linked = _request("responses", input=[{"image_url": "https://example.com/a.png"}])
    several = _request("chat/completions", max_completion_tokens=50, n=3)
    google = model_requests.parse(
        _endpoint("models/g:generateContent"),
        b'{"generationConfig": {"maxOutputTokens": 7, "candidateCount": 2}}',
        "tok",
    )

    assert 1000 <= text.input_tokens < 1100
    assert 4000 <= picture.input_tokens < 4100
    assert 1600 <= linked.input_tokens < 1700
    assert [each.most_output_tokens for each in (text, several, google, linked)] == [
        100,
        150,
        14,
        16_384,
    ]


@pytest.mark.parametrize("limit", [-1, 0, True, "9", 10**30, 1.5, None, [], {}])
def test_no_limit_of_a_request_breaks_its_estimate(limit: Any) -> None:
    found = _request(
        "chat/completions",
        max_tokens=limit,
        n=limit,
        generationConfig=limit if isinstance(limit, dict | list) else {"maxOutputTokens": limit},
    )

    assert 0 < found.most_output_tokens <= 1_000_000


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValidationError):
        model_requests.parse(_endpoint("messages"), b'{"model": "m", "x": "\\ud83d"}', "tok")


_ANSWERS = {
    Protocol.MESSAGES: {
        "usage": {"input_tokens": 8, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1,
                  "output_tokens": 5},
    },
    Protocol.CHAT: {
        "usage": {"prompt_tokens": 11, "completion_tokens": 5,
                  "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1}},
    },
    Protocol.RESPONSES: {
        "usage": {"input_tokens": 11, "output_tokens": 5,
                  "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1}},
    },
    Protocol.GENERATE: {
        "usageMetadata": {"promptTokenCount": 8, "toolUsePromptTokenCount": 3, "cachedContentTokenCount": 2,
                          "candidatesTokenCount": 3, "thoughtsTokenCount": 2},
    },
}  # fmt: skip


@pytest.mark.parametrize("protocol", list(Protocol))
def test_every_protocol_tells_its_usage(protocol: Protocol) -> None:
    heard = Heard(protocol)
    heard.hear(_ANSWERS[protocol])

    usage, is_estimated = heard.usage(99, 99, is_whole=True)

    written = 0 if protocol is Protocol.GENERATE else 1
    assert usage == Usage(input_tokens=11, cached_tokens=2, written_tokens=written, output_tokens=5)
    assert not is_estimated


@pytest.mark.parametrize("protocol", list(Protocol))
def test_the_usage_is_found_at_the_end_of_what_is_not_read(protocol: Protocol) -> None:
    heard = Heard(protocol)
    text = (
        json.dumps({"content": 'quoted: "usage": {"input_tokens": 77}', "usage": None})[:-1]
        + ", "
        + json.dumps({"big": "x" * 200_000, **_ANSWERS[protocol]})[1:]
    )
    for start in range(0, len(text), 1000):
        heard.hear_bytes(text[start : start + 1000].encode())

    usage, is_estimated = heard.usage(99, 99, is_whole=True)

    assert (usage.input_tokens, usage.output_tokens, is_estimated) == (11, 5, False)


@pytest.mark.parametrize(
    "count",
    [-1, -(10**30), 10**30, float("nan"), float("inf"), "5", True, None, [], {}, 1e300],
)
@pytest.mark.parametrize("protocol", list(Protocol))
def test_what_is_no_count_of_tokens_is_estimated(protocol: Protocol, count: Any) -> None:
    def spoiled(value: Any) -> Any:
        return (
            {key: spoiled(item) for key, item in value.items()}
            if isinstance(value, dict)
            else count
        )

    heard = Heard(protocol)
    heard.hear({**spoiled(_ANSWERS[protocol]), "content": [{"text": "x" * 40}]})

    usage, is_estimated = heard.usage(7, 99, is_whole=True)

    assert usage == Usage(input_tokens=7, output_tokens=10)
    assert is_estimated


def test_more_cached_than_read_is_cut() -> None:
    heard = Heard(Protocol.CHAT)
    details = {"cached_tokens": 50, "cache_write_tokens": 50}
    heard.hear(
        {"usage": {"prompt_tokens": 10, "completion_tokens": 0, "prompt_tokens_details": details}}
    )

    usage, _ = heard.usage(7, 99, is_whole=True)

    assert usage == Usage(input_tokens=10, cached_tokens=10)


def test_a_stream_that_breaks_off_is_estimated_by_what_has_come() -> None:
    heard = Heard(Protocol.MESSAGES)
    heard.hear({"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}}})  # fmt: skip
    for _ in range(10):
        heard.hear(
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x" * 40}}
        )

    usage, is_estimated = heard.usage(7, 1000, is_whole=False)

    assert usage == Usage(input_tokens=9, output_tokens=100)
    assert is_estimated
    assert heard.model == "c"
    assert heard.usage(7, 60, is_whole=False)[0].output_tokens == 60


def test_what_a_stream_says_twice_is_estimated_once() -> None:
    heard = Heard(Protocol.RESPONSES)
    heard.hear({"type": "response.output_text.delta", "delta": "x" * 40})
    heard.hear({"type": "response.output_text.done", "text": "x" * 40})
    heard.hear({"type": "response.completed", "response": {"output": [{"text": "x" * 40}]}})

    assert heard.usage(7, 99, is_whole=True)[0].output_tokens == 10


def test_a_deep_answer_is_survived() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    heard = Heard(Protocol.CHAT)

    heard.hear({"content": deep, "usage": {"prompt_tokens": 1, "completion_tokens": 2}})

    assert heard.usage(7, 99, is_whole=True)[0] == Usage(input_tokens=1, output_tokens=2)


@given(
    strategies.lists(strategies.sampled_from([b"data: a", b": c", b"event: x\ndata: 1\ndata: 2"])),
    strategies.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]),
    strategies.integers(1, 9),
)
def test_events_are_split_wherever_the_pieces_are(events: list[bytes], end: bytes, size: int) -> None:  # fmt: skip
    whole = b"".join(each + end for each in events)
    stream = EventStream()

    found = [
        event
        for start in range(0, len(whole), size)
        for event in stream.feed(whole[start : start + size])
    ]

    assert b"".join(found) + stream.rest() == whole
    assert [data_of(each) for each in found] == [
        {b"data: a": b"a", b": c": b""}.get(each, b"1\n2") for each in events
    ]


def test_an_event_without_end_is_let_go() -> None:
    stream = EventStream()
    sent = got = 0
    for _ in range(200):
        sent += 100_000
        got += sum(len(each) for each in stream.feed(b"x" * 100_000))

    assert got > 0
    assert got + len(stream.rest()) == sent


OWN = (
    '{"Local-*": {"input": 0, "output": 0}, "gpt-5-mini": {"input": 2, "output": 4.5, "cached": 1}}'
)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-realtime-preview", None),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("local-llama:8b", "local-*"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("gpt-5-mini-fast", None),
        ("unheard-of", None),
        ("", None),
    ],
)
def test_a_model_has_the_price_of_its_name(model: str, name: str | None) -> None:
    found = model_prices.read(OWN).find(model)

    assert (found and found.name) == name


def test_money_is_counted_by_kinds_of_tokens() -> None:
    table = model_prices.read(OWN)
    own, listed = table.find("gpt-5-mini"), table.find("claude-haiku-4-5")
    usage = Usage(
        input_tokens=1_000_000, cached_tokens=200_000, written_tokens=100_000, output_tokens=10
    )

    assert own is not None
    assert listed is not None
    assert own.cost(usage) == Decimal("1.800045")
    assert listed.cost(usage) == Decimal("0.7") + Decimal("0.02") + Decimal("0.125") + Decimal("0.00005")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "object"),
        ('{"m": 5}', "`m`"),
        ('{"m": {"input": 1}}', "`output`"),
        ('{"m": {"input": 1, "output": 1, "inputs": 1}}', "`inputs`"),
        ('{"m": {"input": -1, "output": 1}}', "`input`"),
        ('{"m": {"input": "1", "output": 1}}', "`input`"),
        ('{"m": {"input": NaN, "output": 1}}', "NaN"),
        ('{"m": {"input": 1e99, "output": 1}}', "`input`"),
        ('{"m": {"input": true, "output": 1}}', "`input`"),
        ("{", "Expecting"),
    ],
)
def test_prices_that_cannot_be_read_say_why(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        model_prices.read(text)


def test_list_prices_are_prices() -> None:
    table = model_prices.read("{}")

    for name in LIST_PRICES:
        price = table.find(name)
        assert price is not None
        assert 0 < price.cached <= price.input <= price.output
        assert price.cache_write >= price.input
