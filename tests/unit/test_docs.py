"""Every setting, command, route and name for authors is documented."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import runwright.sdk
from runwright.cli.main import app
from runwright.config import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROOT = DOCS.parent


def test_every_setting_is_documented() -> None:
    text = (DOCS / "reference" / "settings.md").read_text()

    for item in dataclasses.fields(Settings):
        assert f"`RUNWRIGHT_{item.name.upper()}`" in text


def test_every_command_is_documented() -> None:
    text = (DOCS / "reference" / "cli.md").read_text()

    def check(command: Any, words: str) -> None:
        for name, each in getattr(command, "commands", {}).items():
            check(each, f"{words} {name}")
        if not hasattr(command, "commands"):
            assert f"`{words}" in text, words

    check(typer.main.get_command(app), "runwright")


def test_every_route_is_documented() -> None:
    text = (DOCS / "reference" / "http.md").read_text()
    source = "".join(file.read_text() for file in (ROOT / "src/runwright/web").glob("*.py"))
    paths = re.findall(r'(?:routes\.\w+|add_api_route)\(\s*f?"([^"]+)"', source)

    assert len(paths) > 12
    for path in paths:
        plain = path.replace("{PROJECT}", "/projects/{{project_name}}")
        plain = plain.replace("{_BASE}", "/api/{{workspace_id}}/functions/{{project_id}}")
        plain = plain.replace("{prefix}/{{workspace_id}}", "").removeprefix("/{workspace_id}")
        plain = plain.replace(":path}", "}")
        assert f"{plain.replace('{{', '{').replace('}}', '}')}`" in text, path


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
        assert name in text
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
