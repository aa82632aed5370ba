"""Which bodies of requests are taken, and when one is too long, too slow, no JSON or no form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request

from runwright import config
from runwright.errors import TooLarge, TooSlow, UnsupportedMediaType, ValidationError
from runwright.web.dashboard.kit import forms
from runwright.web.dashboard.kit.forms import Form
from runwright.web.server import bodies

_FORM = "application/x-www-form-urlencoded"


class Sent:
    """A request whose body comes in these pieces, each so many seconds after the one before it."""

    def __init__(
        self,
        *pieces: bytes,
        headers: dict[str, str] | None = None,
        settings: dict[str, str] | None = None,
        seconds: float = 0,
    ) -> None:
        self.left = list(pieces)
        self._seconds = seconds
        state = SimpleNamespace(platform=SimpleNamespace(settings=config.read(settings or {})))
        pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/a",
            "headers": pairs,
            "app": SimpleNamespace(state=state),
        }
        self.request = Request(scope, self._receive)

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._seconds:
            loop: Any = asyncio.get_running_loop()
            now = loop.time()
            loop.time = lambda: now + self._seconds
            for _ in range(3):
                # What is due by then happens before the piece comes.
                await asyncio.sleep(0)
        piece = self.left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.left)}


@pytest.fixture(name="own_clock")
async def _own_clock() -> AsyncGenerator[None]:
    """Let a test's loop have the time that the test says."""
    loop: Any = asyncio.get_running_loop()
    now = loop.time()
    loop.time = lambda: now
    yield
    del loop.time


async def _all(sent: Sent, limit: int) -> list[bytes]:
    return [chunk async for chunk in bodies.stream(sent.request, limit) if chunk]


@pytest.mark.parametrize(
    ("kind", "is_taken"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("application/cloudevents+json", True),
        ("text/plain", False),
        ("application/jsonp", False),
        ("text/plain; application/json", False),
        (None, False),
    ],
)
async def test_json_is_what_says_that_it_is(kind: str | None, is_taken: bool) -> None:
    sent = Sent(b'{"a":', b" 1}", headers={} if kind is None else {"content-type": kind})

    if is_taken:
        assert await bodies.read_json(sent.request) == {"a": 1}
    else:
        with pytest.raises(UnsupportedMediaType):
            await bodies.read_json(sent.request)
        assert len(sent.left) == 2


@pytest.mark.parametrize("said", ["10", "3", "", "ten", "-11"])
async def test_a_body_may_be_as_long_as_the_limit(said: str) -> None:
    sent = Sent(b"12345", b"67890", headers={"content-length": said})

    assert await _all(sent, 10) == [b"12345", b"67890"]


async def test_of_a_body_that_says_it_is_too_long_nothing_is_read() -> None:
    sent = Sent(b"12345", headers={"content-length": "11"})

    with pytest.raises(TooLarge, match=r"has 11 bytes; this server accepts 10\."):
        await _all(sent, 10)
    assert sent.left == [b"12345"]


async def test_of_a_body_that_turns_out_too_long_the_rest_is_not_read() -> None:
    sent = Sent(b"12345", b"678901", b"rest", headers={"content-length": "3"})

    with pytest.raises(TooLarge, match="exceeds the 10 bytes"):
        await _all(sent, 10)
    assert sent.left == [b"rest"]


@pytest.mark.parametrize("read", [bodies.read_json, bodies.read_text, forms._read])
async def test_whoever_reads_a_body_takes_no_more_than_the_setting_says(read: Any) -> None:
    kind = _FORM if read is forms._read else "application/json"
    for body, is_too_long in ((b"1" * 8, False), (b"1" * 9, True)):
        sent = Sent(
            body, headers={"content-type": kind}, settings={"RUNWRIGHT_MAX_BODY_BYTES": "8"}
        )

        if is_too_long:
            with pytest.raises(TooLarge):
                await read(sent.request)
        else:
            await read(sent.request)


async def test_text_is_read_whatever_it_says_it_is() -> None:
    sent = Sent(b"a\xff", b"\xc3\xbc", headers={"content-type": "image/png"})

    assert await bodies.read_text(sent.request) == "a\ufffdü"


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize(
    ("size", "seconds", "is_too_slow"),
    [
        (1, 4, False),
        (1, 6, True),
        # Of nine pieces of 64 KiB the last has eight seconds more.
        (64 * 1024, 1.4, False),
        (64 * 1024, 1.6, True),
        (32 * 1024, 1.4, True),
    ],
)
async def test_a_body_has_its_time_and_a_second_more_for_each_64_kib(
    size: int, seconds: float, is_too_slow: bool
) -> None:
    pieces = [b"x" * size] * (9 if size > 1 else 1)
    sent = Sent(*pieces, settings={"RUNWRIGHT_BODY_TIMEOUT": "5"}, seconds=seconds)

    if is_too_slow:
        with pytest.raises(
            TooSlow, match=r"^The request body arrived too slowly: \d+ bytes so far\.$"
        ):
            await _all(sent, 10**9)
        assert (sent.left == pieces) == (size == 1)
    else:
        assert await _all(sent, 10**9) == pieces


async def test_an_upload_is_a_file_of_its_own_in_the_data_directory(tmp_path: Path) -> None:
    settings = {"RUNWRIGHT_DATA_DIR": str(tmp_path)}

    first, second = [
        await bodies.to_file(Sent(b"ab", b"cd", settings=settings).request, 4) for _ in range(2)
    ]

    assert first != second
    assert {first.parent, second.parent} == {tmp_path}
    assert first.read_bytes() == second.read_bytes() == b"abcd"
    assert first.stat().st_mode & 0o777 == 0o600


async def test_an_upload_that_does_not_come_whole_leaves_nothing(tmp_path: Path) -> None:
    settings = {"RUNWRIGHT_DATA_DIR": str(tmp_path)}
    with pytest.raises(TooLarge):
        await bodies.to_file(Sent(b"ab", b"cde", settings=settings).request, 4)
    broken = Sent(b"ab", settings=settings)
    broken.left.clear()
    with pytest.raises(IndexError):
        await bodies.to_file(broken.request, 4)

    assert list(tmp_path.iterdir()) == []


async def _form(body: bytes, kind: str = _FORM) -> Form:
    return await forms._read(Sent(body, headers={"content-type": kind}).request)


async def test_a_form_gives_each_field_as_it_is_wanted() -> None:
    form = await _form(b"a=+b%C3%BC%0D%0Ac+&n=1&n=2&empty=&box")

    assert form.text("a") == "bü\r\nc"
    assert form.raw("a") == " bü\nc "
    assert (form.all("n"), form.text("n"), form.raw("n")) == (["1", "2"], "1", "1")
    assert [form.has(name) for name in ("empty", "box", "none")] == [True, True, False]
    assert (form.text("none"), form.raw("none"), form.all("none")) == ("", "", [])


@pytest.mark.parametrize(
    ("text", "number"),
    [("", None), ("+", None), ("0", 0), ("+12+", 12), ("999999999", 999_999_999)],
)
async def test_a_number_of_a_form_is_whole_or_absent(text: str, number: int | None) -> None:
    assert (await _form(f"n={text}".encode())).number("n") == number


@pytest.mark.parametrize("text", ["-1", "1.5", "a", "1e3", "1000000000", "1" * 5000, "1_0"])
async def test_what_is_no_number_is_named_by_its_field(text: str) -> None:
    form = await _form(f"n={text}".encode())

    with pytest.raises(ValidationError) as caught:
        form.number("n")
    assert [each.path for each in caught.value.problems] == ["n"]


@pytest.mark.parametrize(
    "body", [b"a=\xc3\xbc", b"a=%FF", b"&".join([b"a=1"] * 2001)], ids=["raw", "no UTF-8", "many"]
)
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        await _form(body)


async def test_a_form_has_as_many_fields_as_a_page_can_have_and_no_other_kind() -> None:
    assert len((await _form(b"&".join([b"a=1"] * 2000))).all("a")) == 2000
    assert (await _form(b"a=1", f"{_FORM.upper()}; charset=utf-8")).text("a") == "1"
    for kind in ("application/json", "multipart/form-data; boundary=b", "text/plain", ""):
        with pytest.raises(UnsupportedMediaType):
            await _form(b"a=1", kind)
