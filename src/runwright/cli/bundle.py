"""Packs a project's folder into a Bundle, deterministically: the same files give the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from runwright.adapters.bundles import project_files
from runwright.errors import ConfigError


def pack(folder: Path) -> bytes:
    """The project as a gzipped tar archive.

    Raises:
        ConfigError: the folder does not exist, or has no folder `api`.
    """
    if not (folder / "api").is_dir():
        raise ConfigError(f"{folder} is not a project: it has no folder `api`.")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for relative in project_files.files(folder):
            content = (folder / relative).read_bytes()
            member = tarfile.TarInfo(relative.as_posix())
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)
