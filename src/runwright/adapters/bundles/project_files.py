"""Selects the files of a folder that are deployed as a project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runwright.adapters.bundles import gitignore
from runwright.adapters.bundles.gitignore import Rule
from runwright.errors import ConfigError

_NEVER = gitignore.rules(b".git\n.env\n/.runwright/\n/auth-sessions-instances/\n")
"""No `.gitignore` can re-include these: they hold secrets, or are useful only on this machine."""
_USUALLY = gitignore.rules(
    b".venv/\nvenv/\n__pycache__/\nnode_modules/\n.env\n.env.*\n*.pyc\n.DS_Store\n"
    b".pytest_cache/\n.ruff_cache/\n.mypy_cache/\n.runwright/\ntraces/\ntrace.zip\n"
)
"""Left out unless a `.gitignore` re-includes them."""

_Rules = tuple[tuple[int, tuple[Rule, ...]], ...]
"""The rules of each `.gitignore` in force, outermost first, with the length of its folder's part of a path."""


def files(folder: Path) -> list[Path]:
    """The files of a project that are deployed, sorted, relative to its folder.

    Raises:
        ConfigError: one of them is a link, which a Bundle cannot contain, or a folder is unreadable.
    """
    prefix, above = _above(folder)
    return sorted(Path(os.fsdecode(path)) for path in _walk(folder, b"", prefix, above))


def _walk(folder: Path, path: bytes, prefix: bytes, rules: _Rules) -> Iterator[bytes]:
    """Yield the files under `folder / path`; `prefix` is the project folder's path in its git repository."""
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
                f"A project cannot contain links, but {os.fsdecode(below)} is one: copy the file instead."
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
    """The verdict of the innermost file that has one."""
    said = (gitignore.says(own, path[n:], is_folder=is_folder) for n, own in reversed(rules))
    return next((each for each in said if each is not None), None)


def _above(folder: Path) -> tuple[bytes, _Rules]:
    """The project's path in its repository, and the rules of the folders above it.

    A project folder may itself be ignored there; such rules do not apply to its files.
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
    """The rules of the folder's own `.gitignore`; like git, ignores one that is a symlink."""
    file = Path(os.fsdecode(folder)) / ".gitignore"
    is_there = file.is_file() and not file.is_symlink()
    return gitignore.rules(file.read_bytes()) if is_there else ()
