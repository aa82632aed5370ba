"""Which files of a folder belong to the project that is deployed from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runwright.adapters.bundles import gitignore
from runwright.adapters.bundles.gitignore import Rule
from runwright.errors import ConfigError

_NEVER = gitignore.rules(b".git\n.env\n/.runwright/\n/auth-sessions-instances/\n")
"""No `.gitignore` takes these back: they hold secrets, or what only this machine needs."""
_USUALLY = gitignore.rules(
    b".venv/\nvenv/\n__pycache__/\nnode_modules/\n.env\n.env.*\n*.pyc\n.DS_Store\n"
    b".pytest_cache/\n.ruff_cache/\n.mypy_cache/\n.runwright/\ntraces/\ntrace.zip\n"
)
"""Left out unless a `.gitignore` takes them back."""

_Rules = tuple[tuple[int, tuple[Rule, ...]], ...]
"""Those of each `.gitignore` that is in force, outermost first, with how much of a path its folder takes."""


def files(folder: Path) -> list[Path]:
    """Return the files of a project that are deployed, sorted, relative to its folder.

    Raises:
        ConfigError: one of them is a link, which a Bundle cannot hold.
    """
    prefix, above = _above(folder)
    return sorted(Path(os.fsdecode(path)) for path in _walk(folder, b"", prefix, above))


def _walk(folder: Path, path: bytes, prefix: bytes, rules: _Rules) -> Iterator[bytes]:
    """Yield the files below `folder / path`; git knows the project's folder as `prefix`."""
    here = os.fsencode(folder) + b"/" + path
    own = _read(here)
    if own:
        rules = (*rules, (len(prefix + path), own))
    try:
        with os.scandir(here) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except PermissionError as error:
        raise ConfigError(f"{os.fsdecode(here)} cannot be read: {error.strerror}.") from error
    for entry in found:
        below = path + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_left_out(below, prefix, rules, is_folder=is_folder):
            continue
        if entry.is_symlink():
            raise ConfigError(
                f"A project cannot hold links, and {os.fsdecode(below)} is one: copy the file instead."
            )
        if is_folder:
            yield from _walk(folder, below + b"/", prefix, rules)
        elif entry.is_file():
            yield below


def _is_left_out(path: bytes, prefix: bytes, rules: _Rules, *, is_folder: bool) -> bool:
    if gitignore.says(_NEVER, path, is_folder=is_folder):
        return True
    said = _say(rules, prefix + path, is_folder=is_folder)
    return bool(gitignore.says(_USUALLY, path, is_folder=is_folder) if said is None else said)


def _say(rules: _Rules, path: bytes, *, is_folder: bool) -> bool | None:
    """Return what the innermost file says that says anything."""
    said = (gitignore.says(own, path[n:], is_folder=is_folder) for n, own in reversed(rules))
    return next((each for each in said if each is not None), None)


def _above(folder: Path) -> tuple[bytes, _Rules]:
    """Return the project's path in its repository, and the rules of the folders above it.

    A folder that is ignored there itself is a project all the same, and what ignores it is not about its files.
    """
    root = folder.resolve()
    above = next((each for each in root.parents if (each / ".git").exists()), None)
    if above is None or (root / ".git").exists():
        return b"", ()
    rules: _Rules = ()
    path = b""
    for part in root.relative_to(above).parts:
        own = _read(os.fsencode(above) + b"/" + path)
        rules = (*rules, (len(path), own)) if own else rules
        path += os.fsencode(part)
        if _say(rules, path, is_folder=True):
            return b"", ()
        path += b"/"
    return path, rules


def _read(folder: bytes) -> tuple[Rule, ...]:
    """Return the rules of the folder's own file; git follows no link to one."""
    file = Path(os.fsdecode(folder)) / ".gitignore"
    is_there = file.is_file() and not file.is_symlink()
    return gitignore.rules(file.read_bytes()) if is_there else ()
