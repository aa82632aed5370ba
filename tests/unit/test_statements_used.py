"""Named statements: each is used by the module named like its file, and none is unused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_STORAGE = Path(__file__).parents[2] / "src" / "runwright" / "storage"
_FILES = sorted((_STORAGE / "sql").glob("*.sql"))
_NAME = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)
_CODE = "\n".join(file.read_text(encoding="utf-8") for file in _STORAGE.glob("*.py"))
_CALLERS = (_STORAGE.parent / "control" / "upkeep" / "retention.py").read_text(encoding="utf-8")
_COMPOSED = tuple(re.findall(r'_SQL\[f"([a-z_]+)\{', _CODE))
"""How names begin that the code puts together."""


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_every_statement_is_used(file: Path) -> None:
    names = _NAME.findall(file.read_text(encoding="utf-8"))

    assert names
    assert [name for name in names if not _is_used(name)] == []


def _is_used(name: str) -> bool:
    return f'"{name}"' in _CODE or any(
        name.startswith(begin) and f'"{name.removeprefix(begin)}"' in _CALLERS
        for begin in _COMPOSED
    )
