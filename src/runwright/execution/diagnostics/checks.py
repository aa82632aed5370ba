"""Checks this machine for anything that keeps Runs from executing, and says how to fix it.

Run by `runwright doctor`, and by every Worker now and then (`execution.diagnostics.periodic`).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from runwright import config
from runwright.adapters import disk, memory
from runwright.adapters.blobs import blobs
from runwright.config import Settings
from runwright.domain.insight.diagnostics import Finding
from runwright.errors import BlobsAway
from runwright.execution.diagnostics import browser_checks, database_checks, findings
from runwright.execution.runners import reaper

_SHARED_BYTES = 64 * 2**20
_MIBI = 2**20


def sweep_leftovers() -> None:
    """Remove browser profiles left by a process that died during its checks."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError:
        # Without a writable temporary folder, nothing can have been left there.
        return
    for profile in place.glob(f"{browser_checks.PROFILE}*-*"):
        pid = profile.name.removeprefix(browser_checks.PROFILE).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(profile, ignore_errors=True)


async def run(settings: Settings) -> AsyncIterator[Finding]:
    """Run all checks, yielding findings one at a time."""
    if not reaper.has_proc():
        yield findings.failure("processes", "/proc is not mounted", "mount -t proc proc /proc")
        return
    yield await asyncio.to_thread(_directory, settings)
    yield await asyncio.to_thread(_memory, settings)
    async for finding in browser_checks.binaries(settings):
        yield finding
    yield await browser_checks.driver()
    yield await browser_checks.fonts()
    yield _display()
    yield await asyncio.to_thread(_shared_memory)
    if settings.database_url is None:
        for finding in await asyncio.to_thread(
            database_checks.postgresql, settings.data_dir / "postgresql"
        ):
            yield finding
    async for finding in database_checks.check(settings):
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
        return findings.failure(
            name, f"{existing} is not writable: {error}", "choose another `--data-dir`"
        )
    text = f"{directory}, {free // _MIBI} MiB free"
    if free < settings.min_free_bytes:
        remedy = "free up space: below `RUNWRIGHT_MIN_FREE_BYTES` nothing new is started"
        return findings.failure(name, text, remedy)
    secret = settings.secret_file
    if secret.is_file() and secret.stat().st_mode & 0o077:
        return findings.failure(name, f"{secret} is readable by other users", f"chmod 600 {secret}")
    if not disk.runs_programs(existing):
        remedy = "mount it with `exec`: projects with requirements cannot be deployed here"
        return findings.warning(name, f"{existing} is on a file system mounted `noexec`", remedy)
    return findings.ok(name, text)


def _memory(settings: Settings) -> Finding:
    available = memory.available_bytes()
    text = f"{available // _MIBI} MiB available"
    if available < settings.min_memory_bytes:
        remedy = "free up memory: below `RUNWRIGHT_MIN_MEMORY_BYTES` no Attempt is started"
        return findings.failure("memory", text, remedy)
    if available < 2 * 400 * _MIBI:
        return findings.warning(
            "memory", text, "a Runner with its browser takes about 400 MiB: expect one at a time"
        )
    return findings.ok("memory", text)


def _display() -> Finding:
    if config.has_display():
        return findings.ok("display", "available for headed browsers")
    return findings.warning(
        "display", "none: `headful` projects run in new headless mode", "apt-get install xvfb"
    )


def _shared_memory() -> Finding:
    """Check /dev/shm, which authors' code may need; our own browsers and PostgreSQL run without it."""
    shared = Path("/dev/shm")  # noqa: S108
    if shared.is_dir() and disk.free_bytes(shared) >= _SHARED_BYTES:
        return findings.ok("shared memory", "enough")
    text = f"{shared} is {'small' if shared.is_dir() else 'missing'}: `multiprocessing` in authors' code may fail"
    return findings.warning("shared memory", text, "start the container with `--shm-size=256m`")


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
        return findings.failure(
            name, f"{error.message} {error.__cause__ or ''}".splitlines()[0], remedy
        )
    return findings.ok(name, "objects can be written and read")
