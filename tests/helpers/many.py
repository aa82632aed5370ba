"""An installation across many machines: Debian's PostgreSQL, an S3, servers behind a load balancer, Workers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from helpers.server import RunwrightServer, alive_below, environment, eventually, line_of

_BUCKET = "runwright"
_CHUNK_BYTES = 65536


@dataclass(kw_only=True)
class Cluster:
    """Servers and workers that share a database and a bucket."""

    directory: Path
    environment: dict[str, str]
    servers: list[RunwrightServer] = field(default_factory=list[RunwrightServer])
    workers: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def add_server(self) -> RunwrightServer:
        """Start another server without a worker."""
        directory = self.directory / f"server-{next(self._numbers)}"
        process = self._start(directory, "serve", "--no-worker", "--port", "0")
        connection = json.loads((directory / "connection.json").read_text())
        self.servers.append(RunwrightServer(process=process, data_dir=directory, **connection))
        return self.servers[-1]

    def add_worker(self) -> subprocess.Popen[str]:
        """Start another worker, which has a data directory of its own as on another machine."""
        self.workers.append(self._start(self.directory / f"worker-{next(self._numbers)}", "worker"))
        return self.workers[-1]

    def stop(self, process: subprocess.Popen[str]) -> int:
        """Stop a process in good order, and return its exit code."""
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def close(self) -> None:
        """Stop all that runs."""
        for process in (*self.workers, *(server.process for server in self.servers)):
            if process.poll() is None:
                self.stop(process)
            elif process.stdout is not None:
                process.stdout.close()

    def _start(self, directory: Path, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "runwright", arguments[0], "--data-dir", str(directory)]
        with (self.directory / f"{directory.name}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, *arguments[1:]],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(**self.environment),
            )
        if "is ready" not in line_of(process):
            self.stop(process)
            raise AssertionError((self.directory / f"{directory.name}.log").read_text())
        assert alive_below(directory)
        return process


@contextmanager
def postgresql(directory: Path) -> Generator[str]:
    """Run the distribution's PostgreSQL, listening on loopback, as who can own a cluster; yield its address."""
    found = Path("/usr/lib/postgresql").glob("*/bin")
    binaries = max(found, key=lambda each: int(each.parent.name))
    # Another user must reach it, which tests' own folders do not allow.
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    as_user = _as_owner(home)
    made = [str(binaries / "initdb"), "-D", str(home / "cluster"), "-U", "runwright", "-A", "trust"]
    subprocess.run([*made, "-E", "UTF8", "--no-sync"], check=True, capture_output=True, **as_user)
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": home,
        "max_connections": 300,
        "fsync": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(home / "cluster"), *options]
    with (directory / "postgresql.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **as_user)
    try:
        ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        eventually(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0)
        yield f"postgresql://runwright@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def _as_owner(home: Path) -> dict[str, Any]:
    """Give the folder to who can run PostgreSQL, and return how to start programs as that user."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    os.chown(home, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def bucket() -> Generator[dict[str, str]]:
    """Run an S3 with a bucket; yield the settings that lead to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    keys: dict[str, Any] = {"aws_access_key_id": "a", "aws_secret_access_key": "s"}
    client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=_BUCKET)
    client.close()
    yield {
        "RUNWRIGHT_BLOBS": f"s3://{_BUCKET}/here",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    server.stop()


@contextmanager
def cluster(
    directory: Path, settings: dict[str, str], *, servers: int = 2, workers: int = 3
) -> Generator[Cluster]:
    """Run an installation of so many servers and workers until the block ends."""
    with ExitStack() as stack:
        found = Cluster(
            directory=directory,
            environment={
                "RUNWRIGHT_DATABASE_URL": stack.enter_context(postgresql(directory)),
                "RUNWRIGHT_SECRET_KEY": "one for all",
                "RUNWRIGHT_SLOTS": "2",
                **stack.enter_context(bucket()),
                **settings,
            },
        )
        stack.callback(found.close)
        for _ in range(servers):
            found.add_server()
        # Workers must know where the servers are reached, wherever that is.
        found.environment["RUNWRIGHT_URL"] = stack.enter_context(balancer(found.servers))
        for _ in range(workers):
            found.add_worker()
        yield found


def entrance(found: Cluster) -> RunwrightServer:
    """Return the installation as a caller sees it: one address with many servers behind it."""
    return dataclasses.replace(found.servers[0], url=found.environment["RUNWRIGHT_URL"])


@contextmanager
def balancer(servers: list[RunwrightServer]) -> Generator[str]:
    """Take connections and hand each to the next server; yield the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    turns = itertools.count()

    def accept() -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            host, _, port = servers[next(turns) % len(servers)].url[7:].rpartition(":")
            far = socket.create_connection((host, int(port)))
            threading.Thread(target=_join, args=(near, far), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _join(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until either end closes."""
    back = threading.Thread(target=_carry, args=(far, near), daemon=True)
    back.start()
    _carry(near, far)
    back.join()
    near.close()
    far.close()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until either end closes, then close what is left of both."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
