"""Which files of a folder are deployed: what git would include, minus what never is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from runwright.adapters.bundles import project_files
from runwright.errors import ConfigError

_NAMES = ("a", "b", "ab", "a.b", "Foo", "foo.txt", " a", "a ", "#a", "!a", "[a]", "a\\b", "*", "é")
_ATOMS = (
    *("a", "b", "ab", "foo", ".b", ".txt", "é", "*", "**", "?", "/", "/", "**/", "/**", "/**/"),
    *("[ab]", "[!a]", "[^a]", "[a-f]", "[a-]", "[]a]", "[[:alpha:]]", "[[:oops:]]", "[a"),
    *("\\a", "\\*", "\\#", "\\!", "\\ ", "\\", " ", "#", "!", "\t", "{a,b}"),
)
_LINES = strategies.builds(
    lambda negation, atoms, ending: negation + "".join(atoms) + ending,
    strategies.sampled_from(["", "", "", "!"]),
    strategies.lists(strategies.sampled_from(_ATOMS), min_size=1, max_size=5),
    strategies.sampled_from(["", "", "/", " ", "\r"]),
)
_FILES = strategies.lists(_LINES, max_size=4).map("\n".join)


def _write(root: Path, *names: str, **texts: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


def _deployed(root: Path) -> list[str]:
    return [file.as_posix() for file in project_files.files(root)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository of odd names, two folders deep."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    for one in _NAMES:
        (root / "sub" / "deep").mkdir(parents=True, exist_ok=True)
        for folder in ("", "sub", "sub/deep"):
            (root / folder / one).mkdir()
            for two in _NAMES:
                (root / folder / one / two).write_text("")
                (root / folder / f"{one}-").write_text("")
    yield root
    shutil.rmtree(root)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(top=_FILES, sub=_FILES, deep=_FILES)
def test_what_is_ignored_is_what_git_ignores(
    repository: Path, top: str, sub: str, deep: str
) -> None:
    for folder, text in (("", top), ("sub", sub), ("sub/deep", deep)):
        (repository / folder / ".gitignore").write_bytes(text.encode())

    said = subprocess.run(
        ["git", "-c", "core.excludesFile=", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=True,
    ).stdout

    listed = {os.fsdecode(name) for name in said.split(b"\0") if name}
    assert set(_deployed(repository)) == listed


def test_a_folder_above_in_the_repository_has_a_say(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*.pdf\n/projects/shop/data\nbuild/\n")
    project = _write(tmp_path / "projects/shop", "api/a.py", "a.pdf", "data/x", "api/data/x")
    built = _write(tmp_path / "build/shop", "api/a.py", "a.pdf")

    assert _deployed(project) == ["api/a.py", "api/data/x"]
    assert _deployed(built) == ["a.pdf", "api/a.py"]


def test_secrets_are_never_deployed_and_caches_only_if_they_are_taken_back(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("!.env\n!.env.example\n!/traces/\n!.git\n")
    _write(
        tmp_path,
        *(".env", "api/.env", ".env.example", ".env.local", ".git/config", "traces/x.py"),
        *("api/a.py", "api/__pycache__/a.pyc", ".venv/bin/python", ".runwright/local/x"),
        *("auth-sessions-instances/me/state.json", "lib/auth-sessions-instances/x.py"),
    )

    assert _deployed(tmp_path) == [
        *(".env.example", ".gitignore", "api/a.py", "lib/auth-sessions-instances/x.py"),
        "traces/x.py",
    ]


def test_a_link_is_an_error_unless_it_is_ignored(tmp_path: Path) -> None:
    _write(tmp_path, "api/a.py")
    (tmp_path / "link").symlink_to("/etc")

    with pytest.raises(ConfigError, match="link is one"):
        project_files.files(tmp_path)

    (tmp_path / ".gitignore").write_text("link\n")
    assert _deployed(tmp_path) == [".gitignore", "api/a.py"]
