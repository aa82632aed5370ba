"""Backup and restore of one installation's data directory: database, blobs, and the key that seals secrets.

The database is dumped first, as a snapshot. Pruning is locked out until the blobs are copied, so every
blob that the dump names is still there. Blobs added in the meantime are orphans after a restore.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, cast

import asyncpg

import runwright
from runwright import config
from runwright.adapters.bundles import bundles
from runwright.config import Settings
from runwright.errors import ConfigError
from runwright.storage import retention
from runwright.storage.postgres import cluster_homes, dump, embedded

_FORMAT = 1
_MANIFEST, _DATABASE, _BLOBS = "manifest.json", "database.dump", "blobs"
_SECRET, _CONNECTION = "secret.key", "connection.json"
_LOCK_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A backup that was written."""

    size_bytes: int
    has_key: bool
    """The backup contains the key that seals secrets."""
    has_blobs: bool
    """The backup contains traces, files and Bundles; False: they are in a bucket."""


async def write(settings: Settings, target: Path) -> Made:
    """Write a backup to a new folder, or to a new file whose name ends with `.tar`, while serving continues.

    Raises:
        ConfigError: the target exists, or the database cannot be dumped.
    """
    building = await asyncio.to_thread(_begin, target)
    try:
        async with _database(settings) as url, _no_pruning(url):
            await dump.write(url, building / _DATABASE)
            made = await asyncio.to_thread(_collect, settings, building, target)
    finally:
        await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)
    return made


async def restore(source: Path, data_dir: Path) -> dict[str, Any]:
    """Create a data directory from a backup; return the manifest. Existing files are never touched.

    Raises:
        ConfigError: the directory is not empty, or the backup is invalid or unreadable.
    """
    await asyncio.to_thread(_make_new, data_dir)
    unpacked = data_dir / "restoring"
    try:
        folder = await asyncio.to_thread(_unpack, source, unpacked)
        manifest = _manifest(folder, source)
        async with embedded.run(data_dir / "postgresql") as server:
            await dump.read(server.url, folder / _DATABASE)
        await asyncio.to_thread(_put_back, folder, data_dir)
    except BaseException:
        await asyncio.to_thread(cluster_homes.remove, data_dir / "postgresql")
        await asyncio.to_thread(_empty, data_dir)
        raise
    await asyncio.to_thread(shutil.rmtree, unpacked, ignore_errors=True)
    return manifest


@asynccontextmanager
async def _database(settings: Settings) -> AsyncGenerator[str]:
    if settings.database_url is not None:
        yield settings.database_url
        return
    async with dump.reach(settings.data_dir / "postgresql") as url:
        yield url


@asynccontextmanager
async def _no_pruning(url: str) -> AsyncGenerator[None]:
    connection = cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]
    try:
        async with asyncio.timeout(_LOCK_SECONDS):
            await retention.lock(connection)
        yield
    except TimeoutError as error:
        raise ConfigError("Pruning is still in progress: try again once it ends.") from error
    finally:
        await connection.close()


def _begin(target: Path) -> Path:
    if target.exists():
        raise ConfigError(f"{target} already exists: choose a new path for the backup.")
    try:
        return Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent))
    except OSError as error:
        raise ConfigError(f"Cannot write to {target}: {error}") from error


def _make_new(data_dir: Path) -> None:
    if data_dir.exists() and any(data_dir.iterdir()):
        raise ConfigError(f"{data_dir} is not empty: restore into a new directory.")
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    # As root, PostgreSQL's own user must be able to pass through; every file inside is private.
    data_dir.chmod(0o711 if config.is_root() else 0o700)


def _collect(settings: Settings, building: Path, target: Path) -> Made:
    """Assemble the target, which appears only once it is complete."""
    blobs = None if settings.blobs else settings.data_dir / _BLOBS
    has_key = settings.secret_key is None and settings.secret_file.is_file()
    manifest = {
        "format": _FORMAT,
        "version": runwright.__version__,
        "createdAt": datetime.now(UTC).isoformat(),
        "hasKey": has_key,
        "hasBlobs": blobs is not None,
    }
    (building / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for file in (settings.secret_file, settings.connection_file):
        if file.is_file() and (has_key or file != settings.secret_file):
            shutil.copyfile(file, building / file.name)
    for file in building.iterdir():
        file.chmod(0o600)
    if target.suffix == ".tar":
        size = _pack(building, blobs, target)
    else:
        if blobs is not None:
            shutil.copytree(blobs, building / _BLOBS, copy_function=_copy)
        size = sum(file.stat().st_size for file in building.rglob("*") if file.is_file())
        building.rename(target)
    return Made(size_bytes=size, has_key=has_key, has_blobs=blobs is not None)


def _pack(building: Path, blobs: Path | None, target: Path) -> int:
    archive_file = building / "backup.tar"
    descriptor = os.open(archive_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out, tarfile.open(fileobj=out, mode="w") as archive:
        for name in (_MANIFEST, _DATABASE, _SECRET, _CONNECTION):
            if (building / name).is_file():
                archive.add(building / name, name)
        for file in sorted(blobs.rglob("*")) if blobs is not None else ():
            if file.is_file():
                _add(archive, file, f"{_BLOBS}/{file.relative_to(cast('Path', blobs))}")
    archive_file.rename(target)
    return target.stat().st_size


def _add(archive: tarfile.TarFile, file: Path, name: str) -> None:
    """Add a blob, unless it has just been removed with its Run; no row in the dump needs it."""
    try:
        archive.add(file, name)
    except FileNotFoundError:
        return


def _copy(source: str, target: str) -> str:
    try:
        return str(shutil.copyfile(source, target))
    except FileNotFoundError:
        return target


def _unpack(source: Path, directory: Path) -> Path:
    if source.is_dir():
        return source
    directory.mkdir(mode=0o700)
    try:
        with tarfile.open(source, "r:") as archive:
            _check(archive)
            archive.extractall(directory, **bundles.FILTER)  # noqa: S202 - checked, and filtered where Python can
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(f"{source} is not a backup: {error}") from error
    return directory


def _check(archive: tarfile.TarFile) -> None:
    for member in archive:
        path = PurePosixPath(member.name)
        if not member.isfile() or path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"it contains `{member.name}`")


def _manifest(folder: Path, source: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source} is not a backup: it has no {_MANIFEST}.") from error
    if found.get("format") != _FORMAT:
        raise ConfigError(
            f"{source} was written by a newer version of Runwright: restore it with that version."
        )
    return found


def _put_back(folder: Path, data_dir: Path) -> None:
    if (folder / _BLOBS).is_dir():
        shutil.copytree(folder / _BLOBS, data_dir / _BLOBS)
        (data_dir / _BLOBS).chmod(0o700)
    for name in (_SECRET, _CONNECTION):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, data_dir / name)
            (data_dir / name).chmod(0o600)


def _empty(data_dir: Path) -> None:
    for entry in data_dir.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()
