"""The Runner's end of the socket to its Worker.

A separate thread reads, so that the Runner notices a dead Worker even while the author's code blocks
the event loop: then it kills everything it started, and itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable

from runwright import process_tree, protocol

_READ_BYTES = 65536

Send = Callable[[protocol.Message], None]


class Channel:
    """Sends messages from any thread and passes received ones to the event loop."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.settimeout(None)
        self._socket.set_inheritable(False)
        self._lock = threading.Lock()
        self._is_child = False
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def send(self, message: protocol.Message) -> None:
        """Send one whole message; blocks while the Worker is slow, and dies with the Worker.

        Raises:
            RuntimeError: this is a forked child, unknown to the Worker.
        """
        if self._is_child:
            raise RuntimeError(
                "a forked process cannot report for its attempt: call this in the parent process"
            )
        line = protocol.encode(message)
        try:
            with self._lock:
                self._socket.sendall(line)
        except OSError:
            die()

    def listen(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[protocol.Message], None]
    ) -> None:
        """Start passing incoming messages to `receive`, called in the loop."""
        thread = threading.Thread(
            target=self._read, args=(loop, receive), name="runwright-channel", daemon=True
        )
        thread.start()

    def receive_first(self) -> protocol.Message:
        """Block until the first message, before anything else runs."""
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = self._socket.recv(1)
            if not byte:
                die()
            line += byte
        return protocol.decode(bytes(line))

    def _leave_to_parent(self) -> None:
        # If a child held the socket, the death of its parent would go unnoticed.
        self._is_child = True
        self._socket.close()

    def _read(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[protocol.Message], None]
    ) -> None:
        rest = b""
        while True:
            try:
                chunk = self._socket.recv(_READ_BYTES)
            except OSError:
                chunk = b""
            if not chunk:
                die()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                loop.call_soon_threadsafe(receive, protocol.decode(line))


def die() -> None:
    """Kill every descendant of this process, then the process itself; never returns."""
    for pid in reversed(process_tree.descendants(os.getpid())):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)
