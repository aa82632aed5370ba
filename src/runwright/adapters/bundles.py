"""Bundles: gzipped tar archives of a project's folder, checked before anything is unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runwright.errors import Problem, TooLarge, ValidationError

_MAX_MEMBERS = 20_000
_UNPACKED_FACTOR = 5
_MAX_PATH_LENGTH = 512
_HASH_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedBundle:
    """A Bundle that is safe to unpack."""

    sha256: str
    size_bytes: int
    unpacked_bytes: int


def blob_key(sha256: str) -> str:
    """Return where a Bundle lies in the blob store."""
    return f"bundles/{sha256}.tar.gz"


def check(bundle: Path, max_bytes: int) -> CheckedBundle:
    """Read the whole archive and return what it is.

    Raises:
        TooLarge: it is larger than `max_bytes`, or would unpack to more than five times that.
        ValidationError: it is no gzipped tar, or holds a link, a device, or a path that leads out.
    """
    size = bundle.stat().st_size
    if size > max_bytes:
        raise TooLarge(f"The bundle has {size} bytes; this server takes {max_bytes}.")
    unpacked = 0
    for member in _members(bundle, max_bytes * _UNPACKED_FACTOR):
        unpacked += member.size
    return CheckedBundle(sha256=_sha256(bundle), size_bytes=size, unpacked_bytes=unpacked)


def unpack(bundle: Path, directory: Path, max_bytes: int) -> None:
    """Unpack a checked archive into a directory that does not exist yet, all or nothing.

    Owners are dropped; files become 0644 (0755 if executable), folders 0755.
    """
    building = directory.with_name(f"{directory.name}.{os.getpid()}.{os.urandom(4).hex()}.building")
    building.mkdir(parents=True)
    try:
        with tarfile.open(bundle, "r:gz") as archive:
            for member in _members(bundle, max_bytes * _UNPACKED_FACTOR):
                archive.extract(member, building, filter="data")
        try:
            building.rename(directory)
        except OSError:
            # Another one was faster; what it unpacked is the same, by its hash.
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _members(bundle: Path, max_unpacked: int) -> Iterator[tarfile.TarInfo]:
    unpacked = 0
    try:
        with tarfile.open(bundle, "r:gz") as archive:
            for number, member in enumerate(archive):
                unpacked += member.size
                if unpacked > max_unpacked:
                    raise TooLarge(f"The bundle would unpack to more than {max_unpacked} bytes.")
                if number >= _MAX_MEMBERS:
                    raise TooLarge(f"The bundle holds more than {_MAX_MEMBERS} files.")
                _refuse_unsafe(member)
                yield member
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise _invalid(f"is not a complete gzipped tar archive ({error})") from error


def _refuse_unsafe(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise _invalid(f"holds a path that leads out of the project: {member.name!r}")
    if len(member.name) > _MAX_PATH_LENGTH:
        raise _invalid(
            f"holds a path of more than {_MAX_PATH_LENGTH} characters: {member.name[:80]!r}…"
        )
    if not (member.isfile() or member.isdir()):
        raise _invalid(f"holds a link or a device, which a project cannot have: {member.name!r}")


def _invalid(message: str) -> ValidationError:
    return ValidationError([Problem(path="bundle", message=message)])


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
