"""Every setting, command, route and name for authors is documented."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

import runwright.sdk
from runwright.cli.main import app
from runwright.config import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROOT = DOCS.parent
_UNITS = {
    "": 1, "MiB": 2**20, "GiB": 2**30, "minute": 60, "hour": 3600, "day": 86400,
}  # fmt: skip
_A_TEST = r"`test_\w+`"
_METHODS = {"websocket": "GET"}
_OTHERWISE = {
    ("POST", "/projects/{project_name}/run/start"),
    ("POST", "/web-tasks/start"),
    ("GET", "/web-tasks/{task_id}/result"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
}
"""Routes that are not a decorator's."""


def test_every_setting_is_documented_with_its_default() -> None:
    told = {
        name: row.split(" | ")[1]
        for row in (DOCS / "reference" / "settings.md").read_text().splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`RUNWRIGHT_([A-Z0-9_]+)`", row.partition(" | ")[0])
    }
    settings = {item.name.upper(): item.default for item in dataclasses.fields(Settings)}

    assert set(told) == set(settings)
    assert told.pop("DATA_DIR") == "`~/.local/share/runwright`"
    for name, text in told.items():
        default = settings[name]
        if default in (None, ()):
            assert not re.match(r"`?\d", text), name
        else:
            assert _read_default(text) == _plain(default), name


def _read_default(text: str) -> Any:
    """Return what a default is that is told as `10 MiB`, `16,000`, `7 days`, `0: no limit` or in backticks."""
    found = re.fullmatch(r"([\d,]+)(?: (\w+))?(?:: .+)?", text)
    if found is None:
        return text.strip("`")
    number, unit = found.groups()
    return int(number.replace(",", "")) * _UNITS[(unit or "").removesuffix("s")]


def _plain(default: Any) -> Any:
    """Return a default as it would be written in the environment."""
    if isinstance(default, timedelta):
        return default.total_seconds()
    return str(default).lower() if isinstance(default, bool) else default


def test_every_command_is_documented() -> None:
    text = (DOCS / "reference" / "cli.md").read_text()

    def check(command: Any, words: str) -> None:
        for name, each in getattr(command, "commands", {}).items():
            check(each, f"{words} {name}")
        if not hasattr(command, "commands"):
            assert re.search(rf"`{words}[` ]", text), words

    check(typer.main.get_command(app), "runwright")


def test_every_route_is_documented_and_every_documented_one_is_there() -> None:
    documented = {
        call
        for row in (DOCS / "reference" / "http.md").read_text().splitlines()
        if row.startswith("| `")
        for call in _calls(row.partition(" | ")[0])
    }
    web = ROOT / "src/runwright/web"
    files = [web / "app.py", *(web / "api").glob("*.py"), *(web / "server").glob("*.py")]
    source = "".join(file.read_text() for file in files)
    constants = dict(re.findall(r'^(\w+) = f?"(.*)"$', source, re.MULTILINE))
    constants |= {"PROJECT": "/projects/{{project_name}}"}
    written = {
        (_METHODS.get(method, method.upper()), _plain_path(path, constants))
        for method, path in re.findall(r'@\w*routes\.(\w+)\(\s*(f?"[^"]+"|_[A-Z]+)', source)
    } | {
        (_METHODS.get(method, method.upper()), _plain_path(path, constants))
        for method, path in re.findall(r'@links\.(\w+)\(\s*(f?"[^"]+")', source)
    }

    assert written | _OTHERWISE == documented


def _calls(cell: str) -> Iterator[tuple[str, str]]:
    """Return method and path of what a cell names: a method without a path has the one before it."""
    path = ""
    for method, given in re.findall(r"`(GET|POST|PUT|DELETE)(?: ([^`]+))?`", cell):
        path = given or path
        yield method, path


def _plain_path(written: str, constants: dict[str, str]) -> str:
    """Return a path of the source as the reference writes it."""
    path = constants.get(written, written.removeprefix("f").strip('"'))
    for _ in range(2):
        path = re.sub(r"(?<!{){([A-Z_]+)}", lambda found: constants.get(found[1], found[0]), path)
    path = path.replace("{{", "{").replace("}}", "}").replace(":path}", "}")
    return path.removeprefix("/{workspace_id}")


def test_every_event_is_documented_and_every_documented_one_is_logged() -> None:
    table = (DOCS / "reference" / "events.md").read_text().partition("|---|")[2]
    named = {
        name
        for row in table.partition("\n\n")[0].splitlines()[1:]
        for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])
    }
    logged = {
        name
        for file in (ROOT / "src/runwright").rglob("*.py")
        for line in re.findall(r"event_name=(.*)", file.read_text())
        for name in re.findall(r'"([a-z_]+)"', line.partition(", ")[0])
    }

    assert named == logged


def test_every_name_for_authors_is_documented_and_exported() -> None:
    text = (DOCS / "reference" / "project.md").read_text()
    public = {
        name
        for name, value in vars(runwright.sdk).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("runwright")
    }

    assert public <= set(runwright.sdk.__all__)
    for name in runwright.sdk.__all__:
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", text), name
        page = (DOCS / "reference" / "sdk" / f"{name}.md").read_text()
        assert f"from runwright.sdk import {name}" in page


def test_links_between_documents_lead_somewhere() -> None:
    for file in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / link).exists(), f"{file}: {link}"


def test_sample_parameters_of_examples_are_json() -> None:
    samples = list((ROOT / "examples").glob("*/.parameters/api/**/*.json"))

    assert samples
    for sample in samples:
        assert isinstance(json.loads(sample.read_text()), dict)


def test_the_older_import_name_warns() -> None:
    with pytest.warns(DeprecationWarning, match="intuned_runtime"):
        importlib.import_module("runwright.compat.runtime_helpers")


def test_every_test_that_a_document_names_exists() -> None:
    named = {
        name
        for page in DOCS.rglob("*.md")
        for name in re.findall(r"`(test_[a-z0-9_]+)`", page.read_text())
    }
    written = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }

    assert named
    assert named <= written


def test_each_row_of_what_a_crash_leaves_names_its_test() -> None:
    text = (DOCS / "explanation" / "architecture.md").read_text()
    rows = text.partition("| dies |")[2].partition("\n\n")[0].splitlines()[2:]

    assert len(rows) > 10
    assert [row for row in rows if not re.search(_A_TEST, row.split(" | ")[-1])] == []


def test_each_line_of_security_that_denies_something_names_its_test() -> None:
    text = (DOCS / "explanation" / "security.md").read_text()
    lines = re.split(r"\n\n|\n(?=- |\|)", text)
    denials = [line for line in lines if re.search(r"\b(?:cannot|can not|never)\b", line)]

    assert len(denials) > 5
    assert [line for line in denials if not re.search(_A_TEST, line)] == []


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "tests/README.md"])
def test_every_path_that_contributors_are_told_of_exists(name: str) -> None:
    page = ROOT / name
    told = re.findall(r"`((?:src|docs|tests)/[\w./-]+|[\w/-]+\.py)`", page.read_text())

    missing = [
        path for path in told if not (ROOT / path).exists() and not (page.parent / path).exists()
    ]

    assert told
    assert missing == []
