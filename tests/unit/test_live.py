"""What viewers send, clocks that are stopped, URLs that end a recording."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, strategies as st

from runwright.execution.attempts.clock import Clock
from runwright.execution.live import live_input
from runwright.runner import recording
from runwright.runner.live import inputs

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_KINDS = ("shown", "watch", "take", "mouse", "key", "text", "copy", "navigate", "close")


@given(st.sampled_from(_KINDS), st.dictionaries(st.text(), _ANYTHING, max_size=5))
def test_no_message_of_a_viewer_is_an_error(kind: str, body: dict[str, object]) -> None:
    found = live_input.parse(json.dumps({**body, "type": kind}))

    assert found is None or found[0] == kind


@given(st.text())
def test_no_text_of_a_viewer_is_an_error(text: str) -> None:
    live_input.parse(text)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "chrome://settings", "javascript://x", "data://text"]
)
def test_a_person_goes_to_web_pages_alone(url: str) -> None:
    assert live_input.parse(json.dumps({"type": "navigate", "url": url})) is None


def test_an_address_without_a_scheme_is_a_web_page() -> None:
    found = live_input.parse(json.dumps({"type": "navigate", "url": "shop.example/a"}))

    assert found == ("navigate", {"url": "https://shop.example/a"})


async def test_a_clock_that_stood_still_goes_on_with_what_was_left() -> None:
    clock = Clock()
    clock.restart(100)

    clock.pause(1000)
    while_still = clock.left
    await asyncio.sleep(0.05)
    clock.resume()

    assert while_still > 900
    assert 99.9 < clock.left <= 100


async def test_a_clock_that_is_restarted_while_it_stands_still_begins_when_it_goes_on() -> None:
    clock = Clock()
    clock.restart(1)
    clock.pause(1000)

    clock.restart(50)
    still = clock.left
    clock.resume()

    assert still > 900
    assert 49 < clock.left <= 50


async def test_nothing_puts_off_the_end_of_a_clock() -> None:
    clock = Clock()
    clock.restart(100)
    clock.pause(1000)

    clock.end_in(5)
    clock.resume()

    assert clock.left <= 5


@pytest.mark.parametrize(
    ("url", "wanted", "is_there"),
    [
        ("https://a.example/home", "https://a.example/home", True),
        ("https://a.example/home/", "https://a.example/home", True),
        ("https://a.example/home?x=1#y", "https://a.example/home", True),
        ("https://a.example/home?x=1", "https://a.example/home?x=1", True),
        ("https://a.example/home?x=2", "https://a.example/home?x=1", False),
        ("https://a.example/home/more", "https://a.example/home", False),
        ("https://a.example/u/17/feed", "https://a.example/u/*/feed", True),
        ("https://a.example/login?next=https://a.example/home", "https://a.example/home", False),
        ("https://evil.example/https://a.example/home", "https://a.example/home", False),
        ("about:blank", "https://a.example", False),
    ],
)
def test_where_a_recording_ends(url: str, wanted: str, *, is_there: bool) -> None:
    assert recording.is_at(url, wanted) is is_there


@pytest.mark.parametrize(
    ("details", "kind", "text"),
    [
        ({"key": "a"}, "keyDown", "a"),
        ({"key": "Enter"}, "keyDown", "\r"),
        ({"key": "ArrowLeft"}, "rawKeyDown", None),
        ({"key": "a", "modifiers": 2}, "rawKeyDown", None),
        ({"key": "A", "modifiers": 8}, "keyDown", "A"),
    ],
)
async def test_keys_become_what_the_browser_takes(
    details: dict[str, object], kind: str, text: str | None
) -> None:
    sent: list[dict[str, object]] = []

    async def command(_method: str, parameters: dict[str, object]) -> None:
        sent.append(parameters)

    from runwright import protocol

    message = protocol.Input(page="1", action="key", details={"event": "down", **details})
    await inputs.Hand().act(command, None, message)  # pyright: ignore[reportArgumentType] - no key needs the page

    assert (sent[0]["type"], sent[0].get("text")) == (kind, text)
