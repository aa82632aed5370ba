"""Imports a project's outside modules ahead of need, without running any of the project's own code.

The import-time effects of a project's module occur in each Attempt that imports it, and in no other.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from runwright.runner.types import models

_TYPE_CHECKING = "TYPE_CHECKING"
_ENTRIES = ("automation", "create")
_MOST_FILES = 2000


def preload(root: Path, files: list[str], *, is_native: bool) -> None:
    """Import the outside modules that some files of a project import, directly or through other project files.

    `files` are relative to the project. Anything that cannot be read or imported is left for the Attempt to report.
    """
    found = _Imports(root)
    for file in files:
        found.follow(Path(file))
    for name, parts in found.elsewhere.items():
        if _imported(name):
            for part in parts:
                # `from package import part` may mean a module.
                if not hasattr(sys.modules.get(name), part):
                    _imported(f"{name}.{part}")
    if is_native and found.has_types:
        models.module()


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except BaseException:  # noqa: BLE001 - a module may raise anything
        return False
    return True


class _Imports:
    """The imports of a project's files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: set[Path] = set()
        self.elsewhere: dict[str, list[str]] = {}
        """Modules from outside the project, in order, and the names imported from each."""
        self.has_types = False
        """An entry function annotates its parameters."""

    def follow(self, file: Path) -> None:
        """Read a file, and every project file that it imports."""
        waiting = [file]
        while waiting and len(self._seen) < _MOST_FILES:
            following = waiting.pop(0)
            if following in self._seen:
                continue
            self._seen.add(following)
            try:
                tree = ast.parse((self._root / following).read_bytes())
            except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            for statement in _at_module_level(tree.body):
                if isinstance(statement, ast.AsyncFunctionDef):
                    self.has_types |= _is_typed_entry(statement)
                waiting += self._own(statement, following)

    def _own(self, statement: ast.stmt, file: Path) -> Iterator[Path]:
        """Yield the project files that a statement imports, and note the modules from outside."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield from self._module(alias.name, [])
        elif isinstance(statement, ast.ImportFrom):
            names = [alias.name for alias in statement.names if alias.name != "*"]
            if statement.level:
                base = file.parents[min(statement.level, len(file.parents)) - 1]
                name = ".".join((*base.parts, *(statement.module or "").split("."))).strip(".")
            else:
                name = statement.module or ""
            yield from self._module(name, names)

    def _module(self, name: str, parts: list[str]) -> Iterator[Path]:
        place = Path(*name.split("."))
        files = [place.with_suffix(".py"), place / "__init__.py"]
        is_folder = (self._root / place).is_dir()
        if not is_folder and not (self._root / files[0]).is_file():
            self.elsewhere.setdefault(name, []).extend(parts)
            return
        parents = [parent / "__init__.py" for parent in place.parents]
        further = [place / f"{part}.py" for part in parts] + [
            place / part / "__init__.py" for part in parts
        ]
        for file in (*parents, *files, *further):
            if (self._root / file).is_file():
                yield file


def _at_module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that may run when a module is imported."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and _TYPE_CHECKING in ast.dump(statement.test):
            yield from _at_module_level(statement.orelse)
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            for name in ("body", "orelse", "finalbody"):
                yield from _at_module_level(getattr(statement, name, []))
            for handler in getattr(statement, "handlers", []):
                yield from _at_module_level(handler.body)


def _is_typed_entry(function: ast.AsyncFunctionDef) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args]
    is_typed = len(arguments) > 1 and arguments[1].annotation is not None
    return is_typed and function.name in _ENTRIES
