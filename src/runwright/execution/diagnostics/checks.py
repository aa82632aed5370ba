"""Checks this machine for anything that keeps Runs from executing, and says how to fix it.

Run by `runwright doctor`, and by every Worker now and then (`execution.diagnostics.periodic`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import asyncpg
import psutil

from runwright import config
from runwright.adapters import disk, memory
from runwright.adapters.blobs import blobs
from runwright.config import Settings
from runwright.domain.insight.diagnostics import Finding, State
from runwright.errors import BlobsAway, ConfigError
from runwright.execution.runners import browsers, reaper
from runwright.storage import database
from runwright.storage.postgres import binaries, cluster_homes, dump, system_users

_BROWSER_SECONDS = 40
_DATABASE_SECONDS = 30
_SKEW_SECONDS = 2.0
_SHARED_BYTES = 64 * 2**20
_MIBI = 2**20
_PROFILE = "rw-doctor-"
_MARK = "runwright-doctor-was-here"


def sweep_leftovers() -> None:
    """Remove browser profiles left by a process that died during its checks."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError:
        # Without a writable temporary folder, nothing can have been left there.
        return
    for profile in place.glob(f"{_PROFILE}*-*"):
        pid = profile.name.removeprefix(_PROFILE).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(profile, ignore_errors=True)


async def run(settings: Settings) -> AsyncIterator[Finding]:
    """Run all checks, yielding findings one at a time."""
    if not reaper.has_proc():
        yield _failure("processes", "/proc is not mounted", "mount -t proc proc /proc")
        return
    yield await asyncio.to_thread(_directory, settings)
    yield await asyncio.to_thread(_memory, settings)
    async for finding in _browsers(settings):
        yield finding
    yield await _driver()
    yield await _fonts()
    yield _display()
    yield await asyncio.to_thread(_shared_memory)
    if settings.database_url is None:
        for finding in await asyncio.to_thread(_postgresql, settings.data_dir / "postgresql"):
            yield finding
    async for finding in _database(settings):
        yield finding
    if settings.blobs is not None:
        yield await _blobs(settings.blobs, settings.data_dir)


def _directory(settings: Settings) -> Finding:
    name, directory = "data directory", settings.data_dir
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = disk.free_bytes(existing)
    except OSError as error:
        return _failure(name, f"{existing} is not writable: {error}", "choose another `--data-dir`")
    text = f"{directory}, {free // _MIBI} MiB free"
    if free < settings.min_free_bytes:
        remedy = "free up space: below `RUNWRIGHT_MIN_FREE_BYTES` nothing new is started"
        return _failure(name, text, remedy)
    secret = settings.secret_file
    if secret.is_file() and secret.stat().st_mode & 0o077:
        return _failure(name, f"{secret} is readable by other users", f"chmod 600 {secret}")
    if not disk.runs_programs(existing):
        remedy = "mount it with `exec`: projects with requirements cannot be deployed here"
        return _warning(name, f"{existing} is on a file system mounted `noexec`", remedy)
    return _ok(name, text)


def _memory(settings: Settings) -> Finding:
    available = memory.available_bytes()
    text = f"{available // _MIBI} MiB available"
    if available < settings.min_memory_bytes:
        remedy = "free up memory: below `RUNWRIGHT_MIN_MEMORY_BYTES` no Attempt is started"
        return _failure("memory", text, remedy)
    if available < 2 * 400 * _MIBI:
        return _warning(
            "memory", text, "a Runner with its browser takes about 400 MiB: expect one at a time"
        )
    return _ok("memory", text)


async def _browsers(settings: Settings) -> AsyncIterator[Finding]:
    try:
        found = await asyncio.to_thread(browsers.find, settings)
    except ConfigError as error:
        yield _failure("browser", error.message, "")
        return
    for kind, binary in (("Chromium", found.chromium), ("headless shell", found.shell)):
        if binary:
            yield await _browser(kind, binary, settings.chromium_args)
        else:
            yield _warning(kind, "not installed; the other one is used instead", browsers.INSTALL)


async def _browser(kind: str, binary: str, arguments: tuple[str, ...]) -> Finding:
    """Start a browser as a Runner does, sandbox included, and load a page."""
    sandbox = ["--no-sandbox"] if config.is_root() else []
    page = f"data:text/html,<p>{_MARK}</p>"
    prefix = f"{_PROFILE}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as profile:
        command = [
            binary, "--headless", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            *sandbox, *arguments,
            "--dump-dom", page,
        ]  # fmt: skip
        try:
            async with asyncio.timeout(_BROWSER_SECONDS):
                shown, said = await _output(command, HOME=profile)
        except TimeoutError:
            text = f"{binary} did not load a page within {_BROWSER_SECONDS} s"
            return _failure(kind, text, browsers.INSTALL)
        except OSError as error:
            return _failure(kind, f"{binary} does not start: {error}", browsers.INSTALL)
    if _MARK not in shown:
        last = "\n".join(said.strip().splitlines()[-3:])
        return _failure(kind, f"{binary} did not load a page: {last}", _browser_remedy(said))
    if config.is_root():
        remedy = "run as another user to enable Chromium's sandbox"
        return _warning(kind, f"{binary} works, but without its sandbox, as root", remedy)
    return _ok(kind, f"{binary} works, with its sandbox")


async def _output(command: list[str], **variables: str) -> tuple[str, str]:
    """Run a program and return its stdout and stderr; when canceled, kill its process group.

    A Worker does this beside authors' code, so the program gets nothing of the Worker's environment.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**config.author_environment(), **variables},
        start_new_session=True,
        preexec_fn=reaper.die_with_parent,
    )
    try:
        shown, said = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return shown.decode(errors="replace"), said.decode(errors="replace")


def _browser_remedy(said: str) -> str:
    if "sandbox" in said.lower():
        return (
            "allow unprivileged user namespaces (`sysctl kernel.unprivileged_userns_clone=1`, or AppArmor's "
            "`kernel.apparmor_restrict_unprivileged_userns=0`); in a container, allow them in its seccomp profile"
        )
    if "shared libraries" in said:
        return "install its dependencies: `playwright install-deps chromium`"
    return browsers.INSTALL


async def _driver() -> Finding:
    """Start the Playwright driver of our own interpreter, which projects without requirements use."""
    name = "driver"
    try:
        async with asyncio.timeout(_BROWSER_SECONDS):
            shown, said = await _output([sys.executable, "-m", "playwright", "--version"])
    except (OSError, TimeoutError) as error:
        return _failure(name, f"Playwright's driver does not start: {error}", "")
    if shown.startswith("Version "):
        return _ok(name, f"Playwright {shown.split()[1]}")
    last = "\n".join(said.strip().splitlines()[-3:])
    remedy = "apt-get install libatomic1" if "libatomic" in said else "reinstall `playwright`"
    return _failure(name, f"Playwright's driver does not start: {last}", remedy)


async def _fonts() -> Finding:
    program = shutil.which("fc-list")
    if program is None:
        return _warning(
            "fonts", "fontconfig is not installed", "apt-get install fontconfig fonts-liberation"
        )
    listed, _ = await _output([program, ":", "lang"])
    if not listed.strip():
        return _failure(
            "fonts", "none installed: pages show no text", "apt-get install fonts-liberation"
        )
    missing = [name for name, code in (("Chinese", "zh"), ("Arabic", "ar")) if code not in listed]
    count = len(listed.splitlines())
    if missing:
        remedy = "if pages need them: apt-get install fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji"
        return _warning("fonts", f"{count}, none for {' or '.join(missing)}", remedy)
    return _ok("fonts", f"{count}")


def _display() -> Finding:
    if config.has_display():
        return _ok("display", "available for headed browsers")
    return _warning(
        "display", "none: `headful` projects run in new headless mode", "apt-get install xvfb"
    )


def _shared_memory() -> Finding:
    """Check /dev/shm, which authors' code may need; our own browsers and PostgreSQL run without it."""
    shared = Path("/dev/shm")  # noqa: S108
    if shared.is_dir() and disk.free_bytes(shared) >= _SHARED_BYTES:
        return _ok("shared memory", "enough")
    text = f"{shared} is {'small' if shared.is_dir() else 'missing'}: `multiprocessing` in authors' code may fail"
    return _warning("shared memory", text, "start the container with `--shm-size=256m`")


def _postgresql(directory: Path) -> list[Finding]:
    """Try the embedded PostgreSQL's programs as the user that runs them."""
    user = None
    try:
        if config.is_root():
            home = cluster_homes.home(directory)
            user = (
                system_users.find()
                if home is None
                else system_users.owner(home / cluster_homes.FOLDER)
            )
        held = binaries.hold(user, directory if directory.is_dir() else None)
        try:
            tried = binaries.run(held.folder / "postgres", "--version", user=user)
        finally:
            binaries.release(held)
    except (ConfigError, OSError) as error:
        text = error.message if isinstance(error, ConfigError) else str(error)
        return [_failure("PostgreSQL", text, "")]
    text = f"{tried.stdout.decode(errors='replace').strip()} in {held.folder}"
    if user is not None:
        text += f", a copy of {binaries.wheel()} for the user `{user.name}`"
    return [_ok("PostgreSQL", text), *_abandoned(directory)]


def _abandoned(directory: Path) -> list[Finding]:
    found = cluster_homes.abandoned(directory)
    if not found:
        return []
    size = sum(disk.used_bytes(home) for home, _ in found) // _MIBI
    listed = "; ".join(f"{home}, last used by {user}" for home, user in found)
    text = f"{len(found)} whose data directories are gone, {size} MiB: {listed}"
    remedy = "if a data directory was moved, start Runwright on it at its new place; remove the rest with `rm -r`"
    return [_warning("leftover databases", text, remedy)]


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    """Check the database, and our clock against its clock."""
    directory = settings.data_dir / "postgresql"
    try:
        if settings.database_url is None and (gone := cluster_homes.lost(directory)) is not None:
            text = f"it was in {gone}, which is gone"
            yield _failure(
                "database", text, "bring it back, or restore a backup into a new data directory"
            )
            return
        if settings.database_url is None and cluster_homes.home(directory) is None:
            yield _ok("database", "none yet; the first start creates one")
            return
        async with asyncio.timeout(_DATABASE_SECONDS):
            if settings.database_url is not None:
                found = await _ask(settings.database_url)
            else:
                async with dump.reach(directory) as url:
                    found = await _ask(url)
    except (
        ConfigError,
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        ValueError,
    ) as error:
        remedy = "see postgresql.log in the data directory, or check `RUNWRIGHT_DATABASE_URL`"
        yield _failure("database", f"cannot connect: {error or type(error).__name__}", remedy)
        return
    for finding in found:
        yield finding


async def _ask(url: str) -> list[Finding]:
    connection = cast("Any", await asyncpg.connect(url, timeout=10))  # pyright: ignore[reportUnknownMemberType]
    try:
        version = int(await connection.fetchval("SHOW server_version_num")) // 10_000
        applied = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        numbers = [
            row[0] for row in await connection.fetch("SELECT number FROM schema_migrations")
        ] if applied else []  # fmt: skip
        skew = abs((await database.now(connection) - datetime.now(UTC)).total_seconds())
    finally:
        await connection.close()
    known = {step.number for step in await asyncio.to_thread(database.migrations)}
    return [_schema(version, set(numbers), known), _clock(skew)]


async def _blobs(url: str, data_dir: Path) -> Finding:
    """Write an object to the blob store, and delete it."""
    name, key = "blob store", f"doctor/{uuid.uuid4().hex}"
    try:
        store = blobs.open_store(url, data_dir / "blobs")
        with tempfile.NamedTemporaryFile() as file:
            await store.put_file(key, Path(file.name))
        await store.size(key)
        await store.delete(key)
    except BlobsAway as error:
        remedy = "check `RUNWRIGHT_BLOBS`, the credentials and the network: until then, Runs wait for Bundles, and files for upload"
        return _failure(name, f"{error.message} {error.__cause__ or ''}".splitlines()[0], remedy)
    return _ok(name, "objects can be written and read")


def _schema(version: int, applied: set[int], known: set[int]) -> Finding:
    text = f"PostgreSQL {version}"
    if version < database.OLDEST_MAJOR:
        remedy = f"use version {database.OLDEST_MAJOR} or newer"
        return _failure("database", text, remedy)
    if later := applied - known:
        text += f", schema of a newer version of Runwright (migration {max(later)})"
        return _failure(
            "database", text, "start a version at least as new as the last one that ran"
        )
    if missing := known - applied:
        return _ok("database", f"{text}; the next start applies {len(missing)} migrations")
    return _ok("database", f"{text}, up to date")


def _clock(skew: float) -> Finding:
    if skew > _SKEW_SECONDS:
        remedy = (
            "synchronize both clocks, for example with chrony: schedules and links depend on them"
        )
        return _failure("clock", f"{skew:.1f} s off the database's clock", remedy)
    return _ok("clock", "in sync with the database's")


def _ok(name: str, message: str) -> Finding:
    return Finding(name=name, state=State.OK, message=message)


def _warning(name: str, message: str, remedy: str) -> Finding:
    return Finding(name=name, state=State.WARNING, message=message, remedy=remedy)


def _failure(name: str, message: str, remedy: str) -> Finding:
    return Finding(name=name, state=State.FAILURE, message=message, remedy=remedy)
