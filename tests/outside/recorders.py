"""An HTTP server on loopback that records each request as received, and responds as instructed."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers.server import answering


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request."""

    method: str
    target: str
    """What stood between the method and the version, byte for byte."""
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; `misdeed` is `hangs`, `cuts` in the middle, or `trickles`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"e"'})
    body: bytes = b""
    misdeed: str = ""


@dataclass(eq=False, kw_only=True)
class Recorder:
    """What it has seen, and what it answers next; nothing left: a plain 200 with an `ETag`."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list[Seen])
    answers: list[Answer] = field(default_factory=list[Answer])
    goes_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def recording(*answers: Answer) -> Generator[Recorder]:
    """Record until the block ends."""
    recorder = Recorder(answers=list(answers))
    with answering(type("Handler", (_Handler,), {"recorder": recorder})) as recorder.url:
        try:
            yield recorder
        finally:
            recorder.goes_on.set()


class _Handler(http.server.BaseHTTPRequestHandler):
    recorder: Recorder

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""

    def _record(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.recorder.seen.append(
            Seen(
                method=self.command,
                target=self.requestline.split(" ")[1],
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
        )
        answer = self.recorder.answers.pop(0) if self.recorder.answers else Answer()
        with contextlib.suppress(ConnectionError):
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        if answer.misdeed == "hangs":
            self.recorder.goes_on.wait(60)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        more = 100 if answer.misdeed else 0
        self.send_header("content-length", str(len(answer.body) + more))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        if answer.misdeed == "trickles":
            while not self.recorder.goes_on.wait(0.2):
                self.wfile.write(b" ")

    do_GET = do_PUT = do_POST = do_HEAD = _record  # noqa: N815 - http.server's names
