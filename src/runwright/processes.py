"""Composition roots: the parts of a server, a Worker, or both. All wiring happens here."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvicorn

from runwright import config, telemetry, tracing
from runwright.adapters import disk, signals, vault
from runwright.adapters.blobs import blobs
from runwright.adapters.providers import providers
from runwright.adapters.providers.providers import ProviderAddress
from runwright.adapters.queue import engine
from runwright.config import Settings
from runwright.control.access import dashboard_sessions, keys
from runwright.control.base.platform import Platform
from runwright.db_retry import patiently
from runwright.domain.models.model_endpoints import Provider
from runwright.errors import ConfigError
from runwright.execution.flows import worker
from runwright.execution.runners import reaper
from runwright.storage import database
from runwright.storage.postgres import embedded
from runwright.web import app
from runwright.web.server import connections

log = telemetry.logger(__name__)

_POOL_MIN = 4
_POOL_MAX = 24
_PULSE_SECONDS = 10.0
"""Heartbeats and the queue's statements take milliseconds; one without an answer is sent again on another connection."""
_PULSE_MAX = 6
_HTTP_DRAIN_SECONDS = 5
_BACKLOG = 2048
_MAX_SOCKET_BYTES = 4 * 1024 * 1024
_ALIVE_SECONDS = 10.0
_POSTGRESQL_PORT = 5432
_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104
_PR_SET_DUMPABLE = 4


async def serve(settings: Settings, *, with_worker: bool = True) -> None:
    """Answer HTTP until SIGTERM or SIGINT, with a Worker in the same process unless `with_worker` is False.

    Raises:
        ConfigError: the port is taken, the data directory is in use, or a setting is wrong.
    """
    _begin(settings)
    http = connections.protocol(settings)
    listening = _bind(settings)
    stopping = _stop_on_signals()
    port = listening[0].getsockname()[1]
    url = f"http://{_shown_host(settings.host)}:{port}"
    settings = dataclasses.replace(
        settings,
        url=settings.url or url,
        internal_url=settings.internal_url or _internal_url(settings, port),
    )
    async with _platform(settings) as platform, contextlib.AsyncExitStack() as stack:
        secret = await patiently(lambda: _write_connection(platform, url))
        working: asyncio.Task[None] | None = None
        begun: worker.Worker | None = None
        if with_worker:
            begun = await stack.enter_async_context(worker.opened(platform))
            working = asyncio.create_task(begun.serve(), name="worker")
        server = _Server(
            uvicorn.Config(
                app.create(platform),
                http=http,
                log_config=None,
                access_log=False,
                lifespan="off",
                backlog=_BACKLOG,
                ws_max_size=_MAX_SOCKET_BYTES,
                ws_ping_interval=_ALIVE_SECONDS,
                ws_ping_timeout=_ALIVE_SECONDS,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
                server_header=False,
            )
        )
        answering = asyncio.create_task(server.serve(sockets=listening), name="server")
        _say_ready(url, settings, await patiently(lambda: _sign_in_link(platform, secret)))
        await _until_over(stopping, [task for task in (working, answering) if task is not None])
        if begun is not None and working is not None:
            begun.stop()
            await working
        server.should_exit = True
        await answering


async def work(settings: Settings) -> None:
    """Execute Runs of the installation at `RUNWRIGHT_DATABASE_URL` until SIGTERM or SIGINT.

    Raises:
        ConfigError: there is no database URL, or a setting is wrong.
    """
    _begin(settings)
    if settings.database_url is None:
        raise ConfigError(
            "A standalone worker needs `RUNWRIGHT_DATABASE_URL`; `runwright serve` includes a worker."
        )
    stopping = _stop_on_signals()
    async with _platform(settings) as platform, worker.opened(platform) as begun:
        working = asyncio.create_task(begun.serve(), name="worker")
        print(f"runwright worker is ready with {begun.slots} slots", flush=True)  # noqa: T201
        await _until_over(stopping, [working])
        begun.stop()
        await working


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the shutdown order is decided here, Worker first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def _platform(settings: Settings) -> AsyncGenerator[Platform]:
    # When we run as root, PostgreSQL's own user must be able to traverse it; every file inside is private.
    mode = 0o711 if config.is_root() else 0o700
    await asyncio.to_thread(disk.make_data_directory, settings.data_dir, mode=mode)
    await asyncio.to_thread(disk.close_folders, settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        if settings.database_url is None:
            server = await stack.enter_async_context(embedded.run(settings.data_dir / "postgresql"))
            url = server.url
        else:
            url = settings.database_url
        pool = await stack.enter_async_context(
            database.connect(url, min_size=_POOL_MIN, max_size=_POOL_MAX)
        )
        await patiently(lambda: _upgrade(pool))
        yield Platform(
            settings=settings,
            database=pool,
            pulse=await stack.enter_async_context(
                database.connect(
                    url, min_size=0, max_size=_PULSE_MAX, statement_seconds=_PULSE_SECONDS
                )
            ),
            blobs=blobs.open_store(settings.blobs, settings.data_dir / "blobs"),
            signals=await stack.enter_async_context(signals.listen(url)),
            vault=_vault(settings),
            providers=await stack.enter_async_context(
                providers.opened(_provider_addresses(settings), settings.model_timeout)
            ),
        )


async def _upgrade(pool: Any) -> None:
    await database.migrate(pool)
    async with database.alone(pool, engine.INSTALL_LOCK) as connection:
        await engine.install(connection)


def _provider_addresses(settings: Settings) -> dict[Provider, ProviderAddress]:
    return {
        Provider.ANTHROPIC: ProviderAddress(
            url=settings.anthropic_url, key=settings.anthropic_api_key
        ),
        Provider.OPENAI: ProviderAddress(url=settings.openai_url, key=settings.openai_api_key),
        Provider.GOOGLE: ProviderAddress(url=settings.google_url, key=settings.google_api_key),
    }


def _vault(settings: Settings) -> vault.Vault:
    if settings.secret_key is not None:
        older = () if settings.old_secret_key is None else (settings.old_secret_key,)
        return vault.Vault(settings.secret_key, *older)

    def read_again() -> list[str]:
        return vault.read_or_make_keys(settings.secret_file)

    return vault.Vault(*read_again(), read_again=read_again)


def _bind(settings: Settings) -> list[socket.socket]:
    """Listen on every local address of the host, all on one port."""
    try:
        found = socket.getaddrinfo(
            settings.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ConfigError(
            f"The host `{settings.host}` cannot be resolved: {error.strerror}"
        ) from error
    addresses = dict.fromkeys((each[0], each[4]) for each in found)
    listening: list[socket.socket] = []
    refused: OSError | None = None
    port = settings.port
    for family, address in addresses:
        try:
            listening.append(_listen(family, address, port))
        except OSError as error:
            refused = error
            if error.errno == errno.EADDRINUSE:
                break
        else:
            port = listening[0].getsockname()[1]
    if refused is not None and (not listening or refused.errno == errno.EADDRINUSE):
        for each in listening:
            each.close()
        raise _cannot_listen(settings, refused) from refused
    return listening


def _listen(family: int, address: tuple[Any, ...], port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets whose protocol is IPPROTO_TCP; without it responses are 40 ms late.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # `::` covers IPv4 too, whatever the machine's default; any other address stands for itself alone.
            listening.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != _EVERY_IPV6)
            )
        # After the port comes the zone of an IPv6 address.
        listening.bind((address[0], port, *address[2:]))
        listening.listen(_BACKLOG)
        listening.settimeout(0)
    except BaseException:
        listening.close()
        raise
    return listening


def _cannot_listen(settings: Settings, error: OSError) -> ConfigError:
    where = f"{settings.host}, port {settings.port}"
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {settings.port} on {settings.host} is taken: stop what uses it, or choose another with `--port`."
        )
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return ConfigError(
            f"Cannot listen on {where}: this machine has no such address. Choose one with `--host`: "
            "`127.0.0.1`, or `::1` on an IPv6-only machine."
        )
    if error.errno == errno.EACCES:
        return ConfigError(
            f"Cannot listen on {where}: ports below 1024 are reserved for root. Choose another with `--port`, and have a "
            "reverse proxy listen there."
        )
    return ConfigError(f"Cannot listen on {where}: {error.strerror}")


def _shown_host(host: str) -> str:
    if host in (_EVERY_IPV4, _EVERY_IPV6):
        host = _loopback()
    return f"[{host}]" if ":" in host else host


def _loopback() -> str:
    """This machine's loopback address."""
    try:
        with socket.socket(socket.AF_INET) as trial:
            trial.bind(("127.0.0.1", 0))
    except OSError:
        return "::1"
    return "127.0.0.1"


def _internal_url(settings: Settings, port: int) -> str:
    """The address at which Workers reach this server: where it listens, or its address on the route to the database."""
    host = settings.host
    if host in (_EVERY_IPV4, _EVERY_IPV6):
        host = _address_towards(settings.database_url)
    return f"http://{_shown_host(host)}:{port}"


def _address_towards(database_url: str | None) -> str:
    parts = urlsplit(database_url or "")
    if not parts.hostname:
        return _loopback()
    try:
        family, _, _, _, address = socket.getaddrinfo(
            parts.hostname, parts.port or _POSTGRESQL_PORT, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            # Sends nothing, only picks the route.
            asking.connect(address)
            return str(asking.getsockname()[0])
    except OSError:
        return _loopback()


def _begin(settings: Settings) -> None:
    telemetry.configure(settings.log_format)
    tracing.configure(settings.otel_endpoint)
    _shield()


def _shield() -> None:
    """Keep other users out of our files, and our other processes, authors' code included, out of our memory.

    Raises:
        ConfigError: /proc is not mounted.
    """
    os.umask(0o077)
    if sys.platform == "linux":
        if not reaper.has_proc():
            raise ConfigError(
                "/proc is not mounted, so browsers cannot start and processes cannot be tracked: run "
                "`mount -t proc proc /proc`."
            )
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _until_over(stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Return when told to stop, or when a part has ended by itself; its error is raised later."""
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _write_connection(platform: Platform, url: str) -> str:
    """Write the file that says how to reach the server; return the API key in it."""
    file = platform.settings.connection_file
    known = await asyncio.to_thread(_read_connection, file)
    workspace_id, secret = await keys.ensure_first(platform, known.get("api_key"))
    body = {"url": url, "workspace_id": str(workspace_id), "api_key": secret}
    await asyncio.to_thread(_write_private, file, json.dumps(body, indent=2) + "\n")
    return secret


async def _sign_in_link(platform: Platform, secret: str) -> str | None:
    """A single-use link that signs in to the dashboard, when stdout is a terminal.

    Output that goes elsewhere ends up in some log, and a link is as good as a key.
    """
    if not sys.stdout.isatty():
        return None
    key = await keys.authenticate(platform, secret)
    return f"{platform.settings.url}/sign-in#{await dashboard_sessions.new_link(platform, key)}"


def _read_connection(file: Path) -> dict[str, str]:
    try:
        found: Any = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return cast("dict[str, str]", found) if isinstance(found, dict) else {}


def _write_private(file: Path, text: str) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    temporary.replace(file)


def _say_ready(url: str, settings: Settings, link: str | None) -> None:
    print(f"runwright is ready at {url} (connection: {settings.connection_file})", flush=True)  # noqa: T201
    minutes = int(dashboard_sessions.LINK_LIFE.total_seconds() // 60)
    print(  # noqa: T201
        f"dashboard, for one sign-in within {minutes} minutes: {link}"
        if link
        else f"dashboard: {settings.url}/, sign in with an API key or a link from `runwright dashboard --print`",
        flush=True,
    )
    if config.is_root():
        print("warning: running as root, so Chromium's own sandbox is off", file=sys.stderr)  # noqa: T201
