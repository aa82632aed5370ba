"""What the variables of a `.env` are, and which line of it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.errors import ConfigError
from runwright.execution.local import env_file


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=b\n# no\n\nexport B = c\r\nC=\n", {"A": "b", "B": "c", "C": ""}),
        ("A='b c'\nB=\"b c\" # no\n", {"A": "b c", "B": "b c"}),
        ("A=b c # no\n", {"A": "b c"}),
        ("KEY=a#b$c${D}\\e\n", {"KEY": "a#b$c${D}\\e"}),
        ('A="one\ntwo"\nB=1', {"A": "one\ntwo", "B": "1"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
    ids=["plain", "quoted", "white space", "signs", "lines", "twice"],
)
def test_variables_are_what_dotenv_files_say(
    tmp_path: Path, text: str, found: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text(text)

    assert env_file.read(tmp_path / ".env") == found


@pytest.mark.parametrize("line", ["nonsense", "=x", "A: b", 'A="x', "A='b'c"])
def test_a_line_that_is_no_assignment_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"A=1\n\n# no\n{line}\nB=2\n")

    with pytest.raises(ConfigError, match=r"\.env, line 4: "):
        env_file.read(tmp_path / ".env")


def test_no_file_has_no_variables(tmp_path: Path) -> None:
    assert env_file.read(tmp_path / ".env") == {}
