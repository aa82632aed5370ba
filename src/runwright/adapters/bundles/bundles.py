"""Bundles: gzipped tar archives of a project's folder, checked before anything is unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from runwright.errors import Problem, TooLarge, ValidationError

_MAX_MEMBERS = 20_000
_UNPACKED_FACTOR = 5
_MAX_PATH_LENGTH = 512
_MAX_NAME_BYTES = 255
_MAX_HEADER_BYTES = 64 * 1024
_HEADER_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
# Python 3.11.0 to 3.11.3, including Debian's, have no filters; we check every member ourselves anyway.
FILTER: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""The `tarfile` extraction filter, where supported: Debian 12's Python does not."""
_HASH_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedBundle:
    """A Bundle that is safe to unpack."""

    sha256: str
    size_bytes: int


def blob_key(sha256: str) -> str:
    """The Bundle's key in the blob store."""
    return f"bundles/{sha256}.tar.gz"


def sha256_of(key: str) -> str:
    """The hash of the Bundle stored under a key."""
    return key.rpartition("/")[2].removesuffix(".tar.gz")


def check(bundle: Path, max_bytes: int) -> CheckedBundle:
    """Read and check the whole archive.

    Raises:
        TooLarge: it is larger than `max_bytes`, or would unpack to more than five times that.
        ValidationError: it is not a gzipped tar, or contains a link, a device, or a path outside the project.
    """
    size = bundle.stat().st_size
    if size > max_bytes:
        raise TooLarge(f"The bundle has {size} bytes; this server accepts at most {max_bytes}.")
    # Checks each member as it is read, and keeps none.
    deque(_members(bundle, max_bytes * _UNPACKED_FACTOR), maxlen=0)
    return CheckedBundle(sha256=_sha256(bundle), size_bytes=size)


def unpack(bundle: Path, directory: Path, max_bytes: int) -> None:
    """Unpack a checked archive into a directory that does not exist yet, all or nothing.

    Owners are dropped; files become 0644 (0755 if executable), folders 0755.
    """
    building = directory.with_name(f"{directory.name}.{os.getpid()}.{os.urandom(4).hex()}.building")
    building.mkdir(parents=True)
    try:
        with tarfile.open(bundle, "r:gz", tarinfo=_Member) as archive:
            for member in _members(bundle, max_bytes * _UNPACKED_FACTOR):
                archive.extract(_ours(member), building, **FILTER)
        try:
            building.rename(directory)
        except OSError:
            # Another process was faster; its contents are the same, because the hash is.
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


class _Member(tarfile.TarInfo):
    """A member with bounded headers: tarfile reads a whole header into memory, whatever its size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADER_TYPES and self.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"it contains a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _ours(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A checked member with our user as owner and normalized permissions."""
    is_executable = member.isdir() or member.mode & 0o100
    member.mode = 0o755 if is_executable else 0o644
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    return member


def _members(bundle: Path, max_unpacked: int) -> Iterator[tarfile.TarInfo]:
    unpacked, names = 0, _Names()
    try:
        with tarfile.open(bundle, "r:gz", tarinfo=_Member) as archive:
            for number, member in enumerate(archive):
                unpacked += member.size
                if unpacked > max_unpacked:
                    raise TooLarge(f"The bundle would unpack to more than {max_unpacked} bytes.")
                if number >= _MAX_MEMBERS:
                    raise TooLarge(f"The bundle contains more than {_MAX_MEMBERS} files.")
                _refuse_unsafe(member)
                names.add(member)
                yield member
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise _invalid(f"is not a complete gzipped tar archive ({error})") from error


class _Names:
    """The names seen in an archive so far, which must be able to coexist in one folder."""

    def __init__(self) -> None:
        self._files: set[PurePosixPath] = set()
        self._folders: set[PurePosixPath] = {PurePosixPath()}

    def add(self, member: tarfile.TarInfo) -> None:
        """Record a name; reject one that is too long, or used for both a file and a folder."""
        path = PurePosixPath(member.name)
        if any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in path.parts):
            raise _invalid(
                f"contains a name longer than {_MAX_NAME_BYTES} bytes: {path.name[:80]!r}…"
            )
        folders = {path, *path.parents} if member.isdir() else set(path.parents)
        if folders & self._files or (not member.isdir() and path in self._folders):
            raise _invalid(f"contains a file and a folder with the same name: {member.name[:80]!r}")
        self._folders |= folders
        if not member.isdir():
            self._files.add(path)


def _refuse_unsafe(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise _invalid(f"contains a path that leads outside the project: {member.name!r}")
    if len(member.name) > _MAX_PATH_LENGTH:
        raise _invalid(
            f"contains a path longer than {_MAX_PATH_LENGTH} characters: {member.name[:80]!r}…"
        )
    if not (member.isfile() or member.isdir()):
        raise _invalid(f"contains a link or a device, which is not allowed: {member.name!r}")


def _invalid(message: str) -> ValidationError:
    return ValidationError([Problem(path="bundle", message=message)])


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
