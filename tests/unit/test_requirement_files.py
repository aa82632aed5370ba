"""What a project's requirements refer to, and which of it is an error with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.errors import AuthorError
from runwright.execution.deployments import requirement_files, requirement_lines
from runwright.execution.deployments.requirement_files import RequirementFiles


def _read(root: Path, **files: str | bytes) -> RequirementFiles:
    """Read a project of files whose names have `__` for a dot and `_in_` for a slash."""
    for name, content in files.items():
        file = root / name.replace("_in_", "/").replace("__", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return requirement_files.read(root)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("requests", None),
        ("requests[socks]>=2; python_version < '4'", None),
        ("requests @ https://x.example/requests-1.whl", None),
        ("https://x.example/requests-1.whl", None),
        ("git+https://x.example/a.git@v1#egg=a", None),
        ("git+ssh://git@x.example/a/b.git", None),
        ("./lib", "./lib"),
        ("./lib[extra]", "./lib"),
        ("lib @ ./lib ; python_version > '3'", "./lib"),
        ("lib @ file:./lib", "./lib"),
        ("file:lib/a%20b.whl#sha256=0", "lib/a b.whl"),
        ("${PROJECT_ROOT}/lib", "./lib"),
        ("../lib", "../lib"),
        ("/opt/lib", "/opt/lib"),
        ("file:///opt/lib", "/opt/lib"),
        ("wheels/a-1-py3-none-any.whl --hash=sha256:00", "wheels/a-1-py3-none-any.whl"),
        ("a-1-py3-none-any.whl", "a-1-py3-none-any.whl"),
        ("a-1.tar.gz", "a-1.tar.gz"),
    ],
)
def test_a_requirement_names_a_path_or_none(text: str, path: str | None) -> None:
    assert requirement_lines.path(text) == path


def test_lines_go_on_and_comments_end() -> None:
    text = (
        "a==1 \\\n  --hash=sha256:00 \\\n  --hash=sha256:11  # two\n\n# b\nc#d\ne \\\n  # f\n>=2\n"
    )

    found = [(line.number, line.text) for line in requirement_lines.lines(text)]

    assert [number for number, _ in found] == [1, 6, 7, 9]
    assert " ".join(found[0][1].split()) == "a==1 --hash=sha256:00 --hash=sha256:11"
    assert found[1][1] == "c#d"


def test_joined_lines_keep_their_numbers() -> None:
    assert requirement_lines.joined("a \\\n>=1\n\n-r b.txt\n") == "a >=1\n\n\n-r b.txt\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            b"six\n-r nope.txt\n",
            "requirements.txt, line 2: `-r nope.txt`: this file does not exist",
        ),
        (b"-c nope.txt", "requirements.txt, line 1: `-c nope.txt`: this file does not exist"),
        (b"\n\n-e ../lib", "requirements.txt, line 3: `-e ../lib`: `../lib` is outside"),
        (b"-r /etc/passwd", "requirements.txt, line 1: `-r /etc/passwd`: `/etc/passwd` is outside"),
        (
            b"-r ../../base.txt",
            "requirements.txt, line 1: `-r ../../base.txt`: `../../base.txt` is outs",
        ),
        (
            b"a @ file:///srv/a",
            "requirements.txt, line 1: `a @ file:///srv/a`: `/srv/a` is outside",
        ),
        (b"./lib", "requirements.txt, line 1: `./lib`: `./lib` does not exist in the project"),
        (
            b"-f wheels",
            "requirements.txt, line 1: `-f wheels`: `wheels` does not exist in the project",
        ),
        ("six\n".encode("utf-16"), "`requirements.txt`, line 1: the file is UTF-16"),
        (b"six\n# caf\xe9\n", "`requirements.txt`, line 2: not valid UTF-8"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(tmp_path: Path, text: bytes, error: str) -> None:
    with pytest.raises(AuthorError) as caught:
        _read(tmp_path, requirements__txt=text)

    assert error in caught.value.message


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    found = _read(tmp_path, requirements__txt="-r a.txt\nsix\n", a__txt="-r requirements.txt\n")

    assert found.files == (Path("a.txt"), Path("requirements.txt"))


@pytest.mark.parametrize("changed", ["requirements.txt", "in/base.txt", "in/bounds.txt", "a-1.zip"])
def test_the_key_covers_every_file_that_is_referred_to(tmp_path: Path, changed: str) -> None:
    found = _read(
        tmp_path,
        requirements__txt="-r in/base.txt\n./a-1.zip\n",
        in_in_base__txt="six\n-c bounds.txt\n",
        in_in_bounds__txt="six<9\n",
        **{"a-1__zip": "one", "api_in_a__py": "one"},
    )
    file = tmp_path / changed
    file.write_text(file.read_text() + "# more\n")

    assert requirement_files.read(tmp_path).requirements.sha256 != found.requirements.sha256
    assert len(found.files) == 4


def test_code_and_settings_make_no_other_environment(tmp_path: Path) -> None:
    table = '[project]\nname = "p"\nversion = "{}"\ndependencies = ["six"]\n[tool.runwright]\nheadful = {}\n'
    one = _read(tmp_path, pyproject__toml=table.format(1, "true"), api_in_a__py="one")
    two = _read(tmp_path, pyproject__toml=table.format(2, "false"), api_in_a__py="two")

    assert one.requirements.sha256 == two.requirements.sha256


def test_all_files_count_where_a_folder_is_installed(tmp_path: Path) -> None:
    one = _read(tmp_path, requirements__txt="./lib\n", lib_in_a__py="", api_in_a__py="one")
    two = _read(tmp_path, api_in_a__py="two")

    assert one.requirements.sha256 != two.requirements.sha256


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "runwright\n", "Runwright>=1\n", "-c bounds.txt\nrunwright[dev]\n"]
)
def test_what_asks_for_nothing_runs_on_the_platforms_own(tmp_path: Path, text: str) -> None:
    found = _read(tmp_path, requirements__txt=text, bounds__txt="six<9\n")

    assert found.inputs == ()
    assert found.requirements.packages == ()


def test_credentials_of_an_index_are_not_kept(tmp_path: Path) -> None:
    text = "--index-url https://me:word@x.example/simple\nsix @ https://token@x.example/six.whl\n"

    found = _read(tmp_path, requirements__txt=text).requirements

    assert found.packages == ("six @ https://********@x.example/six.whl",)


def test_a_file_of_another_tool_is_told(tmp_path: Path) -> None:
    assert "`Pipfile` is ignored" in _read(tmp_path, Pipfile="").remarks[0]
    assert _read(tmp_path, requirements__txt="six\n").remarks == ()


def test_what_the_project_leaves_out_is_not_there(tmp_path: Path) -> None:
    _read(tmp_path, requirements__txt="six\n", a__txt="six\n")

    found = requirement_files.read(tmp_path, [Path("api/a.py")])

    assert found.inputs == ()
