"""A reader finds the right place: folders stay small, and each says what it contains."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_MODULES_AT_MOST = 15
_FLAT = {"src/runwright/storage", "tests/unit"}
"""One noun a file, and found by its name."""
_FOLDERS = sorted(
    {
        file.parent.relative_to(_ROOT)
        for top in ("src", "tests")
        for file in (_ROOT / top).rglob("*.py")
    }
)
_PACKAGES = [each for each in _FOLDERS if each.parts[0] == "src"]


@pytest.mark.parametrize("folder", _FOLDERS, ids=str)
def test_a_folder_has_no_more_modules_than_a_person_takes_in(folder: Path) -> None:
    modules = [each.name for each in (_ROOT / folder).glob("*.py") if each.name != "__init__.py"]

    assert len(modules) <= _MODULES_AT_MOST or str(folder) in _FLAT, sorted(modules)


@pytest.mark.parametrize("folder", _PACKAGES, ids=str)
def test_a_package_says_what_lives_there(folder: Path) -> None:
    text = (_ROOT / folder / "__init__.py").read_text(encoding="utf-8")

    assert ast.get_docstring(ast.parse(text)), f"{folder} needs a docstring"
