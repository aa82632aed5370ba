"""Imports of the project's own files: imported afresh for every Attempt, but compiled only once.

Modules and their contents never outlive an Attempt; code objects may, because they are immutable.
"""

from __future__ import annotations

import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType

_codes: dict[str, tuple[tuple[float, int], CodeType]] = {}
"""By file: its modification time and size, and its code."""


class Loader(SourceFileLoader):
    """Python's own loader, with a memory of what it has compiled."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The file's current code."""
        path = self.get_filename(fullname)
        try:
            stats = self.path_stats(path)
        except OSError:
            return super().get_code(fullname)
        version = (stats["mtime"], stats["size"])
        known = _codes.get(path)
        if known is not None and known[0] == version:
            return known[1]
        code = super().get_code(fullname)
        if code is not None:
            _codes[path] = (version, code)
        return code


def use_for(root: str) -> None:
    """Import everything under a folder this way."""
    loaders = (
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (Loader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def finder(path: str) -> FileFinder:
        if path != root and not path.startswith(f"{root}/"):
            raise ImportError(f"{path} is not below {root}", path=path)
        return FileFinder(path, *loaders)

    sys.path_hooks.insert(0, finder)
    for path in [known for known in sys.path_importer_cache if known.startswith(root)]:
        del sys.path_importer_cache[path]
