"""Oversized archives: refused before they fill memory or disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from runwright.adapters.bundles import bundles
from runwright.errors import RequestError

_MAX_BYTES = 2 * 1024 * 1024
_ZEROS = bytes(1024 * 1024)


def _member(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def _long_header(kind: bytes) -> Callable[[io.BufferedIOBase], None]:
    def write(out: io.BufferedIOBase) -> None:
        out.write(_member("././@LongLink", kind, 200 * len(_ZEROS)))
        out.writelines(_ZEROS for _ in range(200))
        out.write(_member("a", tarfile.REGTYPE, 0))

    return write


def _many_headers(out: io.BufferedIOBase) -> None:
    """Write headers before one member, each of which is read within the reading of the one before."""
    for _ in range(5000):
        out.write(_member("././@LongLink", tarfile.GNUTYPE_LONGNAME, 512))
        out.write(b"a" * 512)
    out.write(_member("a", tarfile.REGTYPE, 0))


def _large_file(out: io.BufferedIOBase) -> None:
    out.write(_member("a", tarfile.REGTYPE, 200 * len(_ZEROS)))
    out.writelines(_ZEROS for _ in range(200))


def _many_files(out: io.BufferedIOBase) -> None:
    out.writelines(_member(f"f{number}", tarfile.REGTYPE, 0) for number in range(20_001))


def _sparse_file(out: io.BufferedIOBase) -> None:
    """Write a file that is nearly all hole."""
    info = tarfile.TarInfo("a")
    info.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[483:495] = b"77777777777\0"
    raw[148:156] = b" " * 8
    raw[148:156] = f"{sum(raw):06o}\0 ".encode()
    out.write(raw)


@pytest.mark.parametrize(
    "write",
    [
        _long_header(tarfile.GNUTYPE_LONGNAME),
        _long_header(tarfile.XHDTYPE),
        _long_header(tarfile.XGLTYPE),
        _many_headers,
        _large_file,
        _many_files,
        _sparse_file,
    ],
    ids=["long-name", "pax", "global-pax", "headers", "large", "many", "sparse"],
)
def test_a_bomb_is_refused_in_little_memory(
    write: Callable[[io.BufferedIOBase], None], tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.tar.gz"
    with gzip.open(bomb, "wb") as out:
        write(out)
        out.write(bytes(1024))
    assert bomb.stat().st_size < _MAX_BYTES

    tracemalloc.start()
    with pytest.raises(RequestError):
        bundles.check(bomb, _MAX_BYTES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 40 * 1024 * 1024
