"""The part of this package that authors' interpreters need, staged in a folder and compiled once.

Runners write no bytecode, because they may import from folders that are not ours; so what every Runner
imports is compiled here.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib.util
import os
import shutil
from importlib import resources
from pathlib import Path

_PARTS = (
    "__init__.py",
    "process_tree.py",
    "protocol.py",
    "redaction.py",
    "sdk",
    "runner",
    "compat",
)
_KINDS = (".py", ".cjs")
_SAY_NOTHING = 2


def stage(directory: Path) -> Path:
    """Copy the modules that authors' interpreters need to a folder named by their hash."""
    package = Path(str(resources.files("runwright")))
    files = sorted(
        file
        for name in _PARTS
        for file in (
            [package / name]
            if (package / name).is_file()
            else (each for each in (package / name).rglob("*") if each.suffix in _KINDS)
        )
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    target = directory / digest.hexdigest()[:16]
    if target.is_dir():
        return target
    building = directory / f"{target.name}.{os.getpid()}.building"
    for file in files:
        copy = building / "runwright" / file.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    compileall.compile_dir(building, quiet=_SAY_NOTHING, stripdir=building, prependdir=target)
    try:
        building.rename(target)
    except OSError:
        # Another Worker was faster; the same name means the same content.
        shutil.rmtree(building)
    return target


def compile_playwright() -> None:
    """Compile the Playwright of our own interpreter, unless it is compiled already or not writable.

    Installers such as uv leave this to the first import, and only Runners import it.
    """
    spec = importlib.util.find_spec("playwright")
    for location in (spec and spec.submodule_search_locations) or ():
        if os.access(location, os.W_OK):
            compileall.compile_dir(location, quiet=_SAY_NOTHING)
