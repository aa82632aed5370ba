"""Whatever a provider does, the server keeps running, the operator's key stays hidden, and the author gets an error."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from helpers import attempts
from helpers.attempts import Attempt
from helpers.server import RunwrightServer, serving
from outside.providers import KEYS, Handler, Provider

Misdeed = Callable[[Handler], Any]
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def _raw(*pieces: bytes) -> Misdeed:
    """Send bytes as they are, and close the connection."""

    def misdeed(handler: Handler) -> None:
        handler.close_connection = True
        for piece in pieces:
            handler.wfile.write(piece)
        handler.wfile.flush()

    return misdeed


def _says(status: int, body: Any = b"", **headers: str) -> Misdeed:
    return lambda handler: handler.say(status, body, **headers)


@pytest.fixture(scope="module")
def impatient(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunwrightServer]:
    """An installation that gives a provider a second to say something."""
    settings = {"RUNWRIGHT_MODEL_TIMEOUT": "1", **provider.settings()}
    with serving(tmp_path_factory.mktemp("impatient") / "data", **settings) as server:
        yield server


@pytest.fixture(scope="module", name="attempt")
def _attempt(impatient: RunwrightServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:  # fmt: skip
    with attempts.under_way(impatient, tmp_path_factory.mktemp("attempt")) as found:
        yield found


def _ask(
    attempt: Attempt, provider: Provider, misdeed: Misdeed, *, name: str, stream: bool = False
) -> httpx2.Response:
    provider.misdeeds[name] = misdeed
    return attempt.ask("/v1/messages", {"model": name, "stream": stream, "messages": []})


_NO_ANSWERS: dict[str, tuple[Misdeed, int, str]] = {
    "nothing": (_raw(), 502, "model-provider-failed"),
    "garbage": (_raw(b"garbage\r\n\r\n"), 502, "model-provider-failed"),
    "too short": (_raw(_OK + b"content-length: 100\r\n\r\nshort"), 502, "model-provider-failed"),
    "negative": (_raw(_OK + b"content-length: -1\r\n\r\nx"), 502, "model-provider-failed"),
    "chunks": (_raw(_OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nx"), 502, "model-provider-failed"),
    "huge header": (_raw(_OK + b"x: " + b"y" * 1_000_000 + b"\r\n\r\n"), 502, "model-provider-failed"),
    "many headers": (_raw(_OK + b"x: y\r\n" * 100_000 + b"\r\n"), 502, "model-provider-failed"),
    "not packed": (_raw(_OK + b"content-encoding: gzip\r\n\r\nplain"), 502, "model-provider-failed"),
    "brotli": (_raw(_OK + b"content-encoding: br\r\n\r\nx"), 502, "model-provider-failed"),
    "redirect": (_says(302, location="http://127.0.0.1:1/"), 502, "model-provider-refused"),
    "not modified": (_says(304), 502, "model-provider-refused"),
    "upgrade": (_raw(b"HTTP/1.1 101 Oh\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), 502, "model-provider-failed"),
    "999": (_says(999, {"error": "what"}), 502, "model-provider-refused"),
    "401": (_says(401, {"error": f"Incorrect key {KEYS['anthropic']}"}), 502, "model-provider-refused"),
    "402": (_says(402), 502, "model-provider-refused"),
    "403": (_says(403, {"error": "organization org-1 is disabled"}), 502, "model-provider-refused"),
    "Google's 401": (_says(400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}), 502, "model-provider-refused"),
    "silence": (lambda handler: handler.provider.goes_on.wait(60), 504, "model-provider-timeout"),
}  # fmt: skip


@pytest.mark.parametrize("name", _NO_ANSWERS)
def test_what_is_no_answer_is_told_as_such(attempt: Attempt, provider: Provider, name: str) -> None:
    misdeed, status, code = _NO_ANSWERS[name]
    provider.goes_on.clear()
    asked = len(provider.asked)

    found = _ask(attempt, provider, misdeed, name="bad")

    assert (found.status_code, found.json()["code"]) == (status, code)
    assert KEYS["anthropic"] not in f"{found.headers}{found.text}"
    assert "org-1" not in found.text
    assert set(found.json()) == {"code", "category", "message", "retirable", "correlationId"}
    assert len(provider.asked) == asked + 1


_ANSWERS: dict[str, tuple[Misdeed, int, str | None]] = {
    "429": (_says(429, {"error": "slow down"}, Retry_After="7"), 429, '{"error": "slow down"}'),
    "500": (_says(500, {"error": "x"}), 500, '{"error": "x"}'),
    "529": (_says(529, {"error": "overloaded"}, x_should_retry="true"), 529, '{"error": "overloaded"}'),
    "404": (_says(404, {"error": "no model"}), 404, '{"error": "no model"}'),
    "400": (_says(400, {"error": "bad"}), 400, '{"error": "bad"}'),
    "204": (_says(204), 204, ""),
    "no JSON": (_says(200, b"\xff\xfe no JSON {"), 200, None),
    "empty": (_says(200), 200, ""),
    "number": (_says(200, b"5"), 200, "5"),
    "deep": (_says(200, b"[" * 200_000), 200, "[" * 200_000),
    "odd usage": (_says(200, {"usage": {"input_tokens": -1, "output_tokens": "many"}}), 200, None),
    "early hints": (_raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", _OK + b"content-length: 2\r\n\r\n{}"), 200, "{}"),
    "gzip": (_says(200, gzip.compress(b'{"a": 1}'), content_encoding="gzip"), 200, '{"a": 1}'),
    "deflate": (_says(200, zlib.compress(b'{"a": 1}'), content_encoding="deflate"), 200, '{"a": 1}'),
}  # fmt: skip


@pytest.mark.parametrize("name", _ANSWERS)
def test_what_is_an_answer_comes_as_it_is(attempt: Attempt, provider: Provider, name: str) -> None:
    misdeed, status, text = _ANSWERS[name]

    found = _ask(attempt, provider, misdeed, name="odd")

    assert found.status_code == status
    assert text is None or found.text == text
    assert found.headers.get("retry-after") == ("7" if status == 429 else None)
    assert "content-encoding" not in found.headers


def test_an_answer_shows_neither_key_nor_account_nor_page(
    attempt: Attempt, provider: Provider
) -> None:
    key = KEYS["anthropic"]

    def echoes(handler: Handler) -> None:
        handler.say(
            200, f"<script>{key}{key[:10]}</script>".encode(), content_type="text/html",
            set_cookie="a=b", x_request_id=key, anthropic_organization_id="org-1",
            access_control_allow_origin="*", request_id="req_1",
        )  # fmt: skip

    def streams(handler: Handler) -> None:
        handler.begin()
        for piece in ("data: ", *key, key[:5], "\n\n"):
            handler.wfile.write(piece.encode())
            handler.wfile.flush()

    whole = _ask(attempt, provider, echoes, name="echoes")
    again = _ask(attempt, provider, echoes, name="echoes")
    stream = _ask(attempt, provider, streams, name="echoes", stream=True)

    assert whole.text == f"<script>***{key[:10]}</script>"
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["request-id"] == "req_1"
    assert {"set-cookie", "x-request-id", "anthropic-organization-id", "access-control-allow-origin"}.isdisjoint(whole.headers)  # fmt: skip
    assert stream.text == f"data: ***{key[:5]}\n\n"
    assert again.status_code == 200
    assert "cookie" not in provider.of_model("echoes")[-1].headers


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_that_breaks_off_or_falls_silent_cuts_the_answer(
    attempt: Attempt, provider: Provider, stream: bool
) -> None:
    head = (_EVENTS if stream else _OK) + b"content-length: 100000000\r\n\r\n"
    first = b"data: {}\n\n" if stream else b"x" * 5_000_000

    def silent(handler: Handler) -> None:
        _raw(head, first)(handler)
        handler.provider.goes_on.wait(60)

    provider.goes_on.clear()
    for misdeed in (_raw(head, first), silent):
        with pytest.raises(httpx2.RemoteProtocolError):
            _ask(attempt, provider, misdeed, name="breaks", stream=stream)


@pytest.mark.parametrize("kind", ["bomb", "flood", "events", "one event", "error"])
def test_a_provider_that_never_ends_is_cut_off_and_costs_no_memory(
    impatient: RunwrightServer, attempt: Attempt, provider: Provider, kind: str
) -> None:
    pieces = {
        "bomb": (_OK + b"content-encoding: gzip\r\n\r\n", _bomb()),
        "flood": (_OK + b"\r\n", b"x" * 65536),
        "events": (_EVENTS + b"\r\n", (b"data: " + b"x" * 2000 + b"\n\n") * 30),
        "one event": (_EVENTS + b"\r\n", b"data: " + b"x" * 65536),
        "error": (b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 65536),
    }
    head, piece = pieces[kind]

    def floods(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        while not handler.provider.goes_on.is_set():
            handler.wfile.write(piece)

    provider.misdeeds["floods"] = floods
    provider.goes_on.clear()
    process = psutil.Process(impatient.process.pid)
    before = process.memory_info().rss
    body = {"model": "floods", "stream": "event" in kind, "messages": []}
    read, most = 0, 0
    # An error is short; the others are cut.
    cut = contextlib.nullcontext() if kind == "error" else pytest.raises(httpx2.RemoteProtocolError)
    with (
        attempt.client() as client,
        client.stream("POST", "/v1/messages", json=body) as answer,
        cut,
    ):
        for number, chunk in enumerate(answer.iter_raw()):
            read += len(chunk)
            if number % 100 == 0:
                most = max(most, process.memory_info().rss)
    provider.goes_on.set()

    assert read <= 260 * 1024 * 1024
    assert kind == "error" or read > 200 * 1024 * 1024
    assert most - before < 120 * 1024 * 1024


def _bomb() -> bytes:
    packing = zlib.compressobj(wbits=31)
    return b"".join(packing.compress(bytes(1024 * 1024)) for _ in range(1024)) + packing.flush()


def test_a_slow_reader_does_not_fill_the_servers_memory(
    impatient: RunwrightServer, attempt: Attempt, provider: Provider
) -> None:
    written = 0
    stopped = threading.Event()

    def floods(handler: Handler) -> None:
        nonlocal written
        handler.begin()
        while not handler.provider.goes_on.is_set() and written < 200_000_000:
            handler.wfile.write(b"data: {}\n\n" * 10_000)
            written += 100_000
        stopped.set()

    provider.misdeeds["full"] = floods
    provider.goes_on.clear()
    body = {"model": "full", "stream": True, "messages": []}
    with attempt.client() as client, client.stream("POST", "/v1/messages", json=body) as answer:
        next(answer.iter_raw())
        stopped.wait(1.5)
        seen = written
    provider.goes_on.set()

    assert seen < 50_000_000


def test_the_server_is_well_after_all_that(
    impatient: RunwrightServer, attempt: Attempt, provider: Provider
) -> None:
    found = attempt.ask("/v1/messages", {"model": "well", "messages": []})
    log = (impatient.data_dir.parent / f"{impatient.data_dir.name}.log").read_text()

    assert found.status_code == 200
    assert "Traceback" not in log
    for key in KEYS.values():
        assert key not in log


def test_a_provider_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    settings = {
        "RUNWRIGHT_OPENAI_URL": "http://127.0.0.1:9",
        "RUNWRIGHT_ANTHROPIC_URL": "http://models.invalid/path",
        "RUNWRIGHT_GOOGLE_URL": "https://127.0.0.1:9",
        "HTTP_PROXY": "nonsense://127.0.0.1:9",
    }
    with serving(tmp_path / "data", **settings) as server:
        with attempts.under_way(server, tmp_path) as attempt:
            found = [
                attempt.ask("/v1/chat/completions", {"model": "m"}),
                attempt.ask("/v1/messages", {"model": "m"}),
                attempt.ask("/models/m:generateContent", {}),
            ]

        assert [each.status_code for each in found] == [503] * 3
        assert all("9" not in each.json()["message"] for each in found)
        assert server.detail(attempt.run_id)["modelCostUsd"] == 0
        assert json.dumps(server.detail(attempt.run_id)["models"]).count('"failedCalls": 1') == 3
