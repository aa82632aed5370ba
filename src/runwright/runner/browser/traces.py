"""Removes secrets from a Playwright trace before it leaves the Runner."""

from __future__ import annotations

import zipfile
from pathlib import Path

from runwright.redaction import Redactor

_PICTURES = (".jpeg", ".jpg", ".png", ".webp", ".gif", ".woff2")


def redact(trace: Path, redactor: Redactor) -> None:
    """Replace secrets in all text of a trace, in place: calls, headers, bodies, snapshots."""
    clean = trace.with_suffix(".clean")
    with (
        zipfile.ZipFile(trace) as read,
        zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as write,
    ):
        for member in read.infolist():
            content = read.read(member)
            if not member.filename.endswith(_PICTURES):
                content = _clean(content, redactor)
            write.writestr(member, content, compress_type=zipfile.ZIP_DEFLATED)
    clean.replace(trace)


def _clean(content: bytes, redactor: Redactor) -> bytes:
    try:
        return redactor.text(content.decode()).encode()
    except UnicodeDecodeError:
        # Binary: an image, a font, a program.
        return content
