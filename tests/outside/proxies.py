"""Real proxies on loopback that require credentials."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from helpers.server import eventually


@contextmanager
def serving(directory: Path, user: str, password: str) -> Generator[tuple[int, Path]]:
    """Proxy until the block ends; yield the port and the file with a line for each request."""
    port_file, log_file = directory / "proxy.port", directory / "proxy.log"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0",
            "--basic-auth", f"{user}:{password}", "--port-file", str(port_file),
            "--log-file", str(log_file), "--num-workers", "1", "--num-acceptors", "1",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        eventually(lambda: port_file.exists() and port_file.read_text().strip(), within=60)
        yield int(port_file.read_text().split()[0]), log_file
    finally:
        process.terminate()
        process.wait(timeout=60)


class _Socks(socketserver.StreamRequestHandler):
    """SOCKS5 with a password, as RFC 1928 and 1929 have it."""

    credentials: ClassVar[tuple[bytes, bytes]]
    places: ClassVar[list[str]]

    def handle(self) -> None:
        version, count = self.rfile.read(2)
        methods = self.rfile.read(count)
        assert (version, 2 in methods) == (5, True)
        self.wfile.write(b"\x05\x02")
        self.rfile.read(1)
        given = tuple(self.rfile.read(self.rfile.read(1)[0]) for _ in range(2))
        self.wfile.write(bytes((1, given != self.credentials)))
        if given != self.credentials:
            return
        _, _, _, kind = self.rfile.read(4)
        if kind == 3:
            host = self.rfile.read(self.rfile.read(1)[0]).decode()
        else:
            host = str(ipaddress.ip_address(self.rfile.read(4 if kind == 1 else 16)))
        port = int.from_bytes(self.rfile.read(2), "big")
        self.places.append(f"{host}:{port}")
        with socket.create_connection((host, port)) as site:
            self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pass, args=(site, self.connection))
            back.start()
            _pass(self.connection, site)
            back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def serving_socks(user: str, password: str) -> Generator[tuple[int, list[str]]]:
    """Proxy SOCKS5 until the block ends; yield the port and where it was asked to go."""

    class Handler(_Socks):
        credentials = (user.encode(), password.encode())
        places: ClassVar[list[str]] = []

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], Handler.places
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
