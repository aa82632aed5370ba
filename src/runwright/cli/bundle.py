"""Packs a project's folder into a Bundle, the same bytes for the same files."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pathspec

from runwright.errors import ConfigError

_NEVER = (
    ".git/", ".venv/", "venv/", "__pycache__/", "node_modules/", ".env", ".env.*", "*.pyc", ".DS_Store",
    ".pytest_cache/", ".ruff_cache/", ".mypy_cache/", ".runwright/", "traces/", "trace.zip",
    "/auth-sessions-instances/",
)  # fmt: skip


def files(folder: Path) -> list[Path]:
    """Return the files of a project that are deployed, sorted, relative to its folder.

    Raises:
        ConfigError: one of them is a link, which a Bundle cannot hold.
    """
    ignore = folder / ".gitignore"
    patterns = [
        *_NEVER,
        *(
            ignore.read_text(encoding="utf-8", errors="replace").splitlines()
            if ignore.is_file()
            else []
        ),
    ]
    left_out = pathspec.PathSpec.from_lines("gitignore", patterns)
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if left_out.match_file(f"{relative.as_posix()}/" if path.is_dir() else relative.as_posix()):
            continue
        if path.is_symlink():
            raise ConfigError(
                f"A project cannot hold links, and {relative} is one: copy the file instead."
            )
        if path.is_file():
            found.append(relative)
    return found


def pack(folder: Path) -> bytes:
    """Return the project as a gzipped tar archive.

    Raises:
        ConfigError: the folder is none, or has no folder `api`.
    """
    if not (folder / "api").is_dir():
        raise ConfigError(f"{folder} is no project: it has no folder `api`.")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for relative in files(folder):
            content = (folder / relative).read_bytes()
            member = tarfile.TarInfo(relative.as_posix())
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)
