"""A project is imported afresh for every Attempt, and recompiled when its files have changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from runwright.runner.project.loader import Project

_FILES = {
    "api/shop/orders.py": "from lib import prices\nasync def automation(page, params): return prices.seen\n",
    "lib/prices.py": "seen = []\ndef note(value): seen.append(value)\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Generator[Project]:
    path, hooks = list(sys.path), list(sys.path_hooks)
    for name, text in _FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = Project(tmp_path)
    yield found
    found.forget()
    sys.path[:], sys.path_hooks[:] = path, hooks


def _prices(project: Project) -> Any:
    project.entry("shop/orders")
    return sys.modules["lib.prices"]


def test_what_a_module_holds_is_new_and_its_code_is_not(project: Project) -> None:
    first = _prices(project)
    first.note(1)
    project.forget()

    second = _prices(project)

    assert second is not first
    assert (first.seen, second.seen) == ([1], [])
    assert second.note is not first.note
    assert second.note.__code__ is first.note.__code__


def test_a_file_that_has_changed_is_compiled_again(project: Project) -> None:
    _prices(project)
    project.forget()
    file = project.root / "lib" / "prices.py"
    file.write_text("seen = ['new']\n")
    os.utime(file, (1, 1))

    assert _prices(project).seen == ["new"]


def test_an_api_that_a_folder_of_its_name_hides_is_found(project: Project) -> None:
    (project.root / "api" / "shop.py").write_text("async def automation(page, params): return 1\n")

    first = project.entry("shop")
    project.forget()

    assert project.entry("shop").__code__ is first.__code__
