"""Any upload is either read as a Bundle or refused, and writes nothing outside its folder."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from runwright.adapters.bundles import bundles
from runwright.errors import TooLarge, ValidationError

_MAX_BYTES = 100_000
_TYPES = [
    tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
    tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, b"Z",
]  # fmt: skip
_NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.sampled_from(
        ["..", "../x", "/etc/x", "a/../../x", "a//b", ".", "a/", "C:\\x", "a\\..\\x", "a" * 600]
    ),
)
_MEMBERS = st.lists(
    st.tuples(_NAMES, st.sampled_from(_TYPES), st.binary(max_size=50), _NAMES, st.integers(0, 0o7777)),
    max_size=6,
)  # fmt: skip


def _pack(members: list[tuple[str, bytes, bytes, str, int]]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content, link, mode in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, link, mode
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def _try(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        bundle, outside = Path(directory) / "bundle", Path(directory) / "around"
        outside.mkdir()
        bundle.write_bytes(data)
        try:
            bundles.check(bundle, _MAX_BYTES)
            bundles.unpack(bundle, outside / "project", _MAX_BYTES)
        except (ValidationError, TooLarge):
            assert list(outside.iterdir()) == []
            return
        assert {entry.name for entry in outside.iterdir()} <= {"project"}
        assert {entry.name for entry in Path(directory).iterdir()} == {"bundle", "around"}
        for entry in outside.rglob("*"):
            assert not entry.is_symlink()
            assert not entry.stat().st_mode & 0o7022


@given(data=st.binary(max_size=2000))
def test_bytes_that_are_no_archive_are_refused(data: bytes) -> None:
    _try(data)
    _try(gzip.compress(data))


@given(members=_MEMBERS)
def test_an_archive_of_anything_is_unpacked_into_its_folder_or_refused(
    members: list[tuple[str, bytes, bytes, str, int]],
) -> None:
    _try(_pack(members))


@given(members=_MEMBERS, at=st.integers(0, 10_000), change=st.binary(min_size=1, max_size=8))
def test_an_archive_that_was_damaged_is_read_or_refused(
    members: list[tuple[str, bytes, bytes, str, int]], at: int, change: bytes
) -> None:
    raw = bytearray(gzip.decompress(_pack(members)))
    place = at % len(raw)
    raw[place : place + len(change)] = change

    _try(gzip.compress(bytes(raw)))
