"""What a webhook's receiver gets, compared with other clients, and at which of its addresses."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from outside import certificates, recorders
from outside.recorders import Answer, Recorder

from runwright.adapters.webhook import NotSent, Sender

_NAME = "hook.example"


@pytest.fixture(name="recorder")
def _recorder() -> Iterator[Recorder]:
    with recorders.recording() as recorder:
        yield recorder


def _sender(*, seconds: float = 5, allow_private: bool = True) -> Sender:
    return Sender(allow_private=allow_private, timeout=timedelta(seconds=seconds))


def _resolved_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name lead to these addresses, in this order; addresses are what they are."""
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def found(host: str, port: int, **more: Any) -> Any:
        if host.replace(".", "").isdigit() or ":" in host:
            return await real(host, port, **more)
        kinds = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in addresses]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, port))
            for kind, address in zip(kinds, addresses, strict=True)
        ]

    monkeypatch.setattr(loop, "getaddrinfo", found)


@pytest.mark.parametrize("path", ["", "/", "/a?b=c%20d&e", "?q=1", "/a/../b//c;d", "/#part"])
@pytest.mark.parametrize("userinfo", ["", "user:p%40ss%C3%A9@", "token@"])
async def test_a_request_is_the_one_that_curl_sends(
    recorder: Recorder, path: str, userinfo: str
) -> None:
    url = recorder.url.replace("//", f"//{userinfo}") + path
    subprocess.run(
        ["curl", "--silent", "--noproxy", "*", "--data", "{}", "--header", "X-A: b c",
         "--header", "Content-Type: application/json", url],
        check=True, capture_output=True,
    )  # fmt: skip
    await _sender().post(url, {"X-A": "b c"}, b"{}")
    curls, ours = recorder.seen

    assert ours.target == curls.target
    for name in ("host", "authorization", "content-type", "content-length", "x-a", "accept"):
        assert ours.headers.get(name) == curls.headers.get(name), name
    assert ours.headers["user-agent"] == "Runwright"


async def test_non_ascii_of_an_address_is_sent_percent_encoded(recorder: Recorder) -> None:
    await _sender().post(f"{recorder.url}/äb%20c/%zz?ö=ü&x", {}, b"{}")

    assert recorder.seen[0].target == "/%C3%A4b%20c/%zz?%C3%B6=%C3%BC&x"


async def test_headers_of_the_sink_win_over_what_would_be_sent_anyway(recorder: Recorder) -> None:
    headers = {
        "Authorization": "Bearer own", "USER-AGENT": "own/1", "Content-Type": "application/x-own",
        "Accept": "own/*", "X-Latin": "é",
    }  # fmt: skip

    await _sender().post(recorder.url.replace("//", "//user:pass@"), headers, b"{}")

    sent = recorder.seen[0].headers
    assert {name: sent[name.lower()] for name in headers} == headers


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Hook.Example:{port}/", "hook.example:{port}"),
        ("http://hook.example.:{port}/", "hook.example:{port}"),
        ("http://bücher.example:{port}/", "xn--bcher-kva.example:{port}"),
        ("http://\uff22ÜCHER.example:{port}/", "xn--bcher-kva.example:{port}"),
    ],
)
async def test_a_host_is_called_by_its_name(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, url: str, host: str
) -> None:
    _resolved_to(monkeypatch, "127.0.0.1")
    port = recorder.url.rpartition(":")[2]

    await _sender().post(url.format(port=port), {}, b"{}")

    assert recorder.seen[0].headers["host"] == host.format(port=port)


async def test_the_scheme_s_own_port_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    real = asyncio.get_running_loop().create_connection

    async def connect(factory: Any, _host: str, port: int, **more: Any) -> Any:
        assert port == 80
        return await real(factory, "127.0.0.1", server.sockets[0].getsockname()[1], **more)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    async with server:
        found = await _sender().post("http://127.0.0.1:80/", {}, b"{}")

    assert found.status_code == 204
    assert b"host: 127.0.0.1\r\n" in said[0].lower()


@pytest.mark.parametrize("dead", ["127.0.0.66", "::1"])
async def test_an_address_that_refuses_is_passed_over(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    _resolved_to(monkeypatch, dead, "127.0.0.1")
    port = recorder.url.rpartition(":")[2]

    found = await _sender().post(f"http://{_NAME}:{port}/", {}, b"{}")

    assert found.status_code == 200
    assert [each.headers["host"] for each in recorder.seen] == [f"{_NAME}:{port}"]


@contextmanager
def _black_hole(address: str, port: int) -> Generator[None]:
    """Listen there with no room for another connection, so that whoever connects waits."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.settimeout(0)
            with suppress(BlockingIOError):
                filler.connect((address, port))
        try:
            yield
        finally:
            for filler in fillers:
                filler.close()


async def test_an_address_that_is_silent_costs_little(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolved_to(monkeypatch, "127.0.0.66", "127.0.0.1")
    port = int(recorder.url.rpartition(":")[2])

    with _black_hole("127.0.0.66", port):
        found = await _sender(seconds=20).post(f"http://{_NAME}:{port}/", {}, b"{}")

    assert found.status_code == 200
    assert len(recorder.seen) == 1


async def test_addresses_that_are_not_permitted_are_never_tried(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolved_to(monkeypatch, "169.254.169.254", "fe80::1", "127.0.0.1")
    tried: list[str] = []
    loop = asyncio.get_running_loop()
    real = loop.create_connection

    async def connect(factory: Any, host: str, port: int, **more: Any) -> Any:
        tried.append(host)
        return await real(factory, host, port, **more)

    monkeypatch.setattr(loop, "create_connection", connect)
    await _sender().post(f"http://{_NAME}:{recorder.url.rpartition(':')[2]}/", {}, b"{}")

    assert tried == ["127.0.0.1"]


async def test_a_host_that_takes_no_connection_is_told_with_each_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _resolved_to(monkeypatch, "127.0.0.66", "127.0.0.67")

    with pytest.raises(NotSent) as caught:
        await _sender().post(f"http://{_NAME}:9/", {}, b"{}")

    assert str(caught.value) == (
        f"the host `{_NAME}` accepts no connection: "
        "127.0.0.66: Connection refused, 127.0.0.67: Connection refused"
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(status=204, headers={}), ""),
        (Answer(headers={"content-encoding": "gzip"}, body=gzip.compress(b"thanks")), "thanks"),
        (Answer(headers={"content-encoding": "gzip"}, body=b"no gzip"), ""),
        (Answer(headers={"content-encoding": "gzip"}, body=gzip.compress(b"x" * 10**6)[:1000]), "x" * 1024),
        (Answer(body=b"\xff\x00a"), "\ufffd\ufffda"),
        (Answer(body=b"begun", misdeed="cuts"), "begun"),
        (Answer(body=b"begun", misdeed="trickles"), "begun"),
    ],
    ids=["204", "gzip", "no gzip", "bomb", "binary", "cut", "slow"],
)  # fmt: skip
async def test_an_answer_is_told_as_far_as_it_can_be_read(
    recorder: Recorder, answer: Answer, text: str
) -> None:
    recorder.answers = [answer]

    found = await _sender(seconds=20).post(recorder.url, {}, b"{}")

    assert (found.status_code, found.text.strip()) == (answer.status, text)


@pytest.mark.parametrize("dot", ["", "."])
async def test_over_tls_the_name_is_asked_for_and_checked_whatever_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dot: str
) -> None:
    certificate, key = certificates.made(tmp_path, _NAME)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    _resolved_to(monkeypatch, "127.0.0.66", "127.0.0.1")
    async with server:
        found = await _sender().post(f"https://{_NAME}{dot}:{port}/", {}, b"{}")
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            await _sender().post(f"https://other.example:{port}/", {}, b"{}")

    assert found.status_code == 200
    assert asked == [_NAME, "other.example"]
