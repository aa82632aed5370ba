"""The deployment files refer only to things that exist, checked without a container engine."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.config import Settings

_ROOT = Path(__file__).resolve().parents[2]
_DEPLOY = _ROOT / "deploy"


def _compose() -> dict[str, Any]:
    return yaml.safe_load((_DEPLOY / "compose.yaml").read_text())


def test_every_setting_that_they_name_is_one() -> None:
    known = {f"RUNWRIGHT_{item.name.upper()}" for item in dataclasses.fields(Settings)}

    named = {
        name
        for file in _DEPLOY.iterdir()
        for name in re.findall(r"RUNWRIGHT_[A-Z_]+", file.read_text())
    }

    assert "RUNWRIGHT_DATABASE_URL" in named
    assert named <= known


def test_compose_runs_servers_and_workers_with_the_same_settings() -> None:
    services = _compose()["services"]

    server, worker = services["server"], services["worker"]
    assert server["environment"] == worker["environment"]
    assert (server["command"], worker["command"]) == (["serve", "--no-worker"], ["worker"])
    assert worker["deploy"]["replicas"] == 3
    for service in services.values():
        assert set(service.get("depends_on") or {}) <= set(services)
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in _compose()["volumes"]


def test_compose_is_given_every_variable_by_the_example() -> None:
    text = (_DEPLOY / "compose.yaml").read_text()
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)\}", text))
    given = re.findall(r"^(\w+)=\S+$", (_DEPLOY / "example.env").read_text(), re.MULTILINE)

    assert wanted == set(given)


def test_the_image_is_made_of_what_is_here() -> None:
    lines = (_DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [part for line in lines if line.startswith("COPY") for part in line.split()[1:-1]]

    assert copied
    assert all((_ROOT / each).exists() for each in copied)
    assert "USER runwright" in lines
    assert any("tini" in line for line in lines if line.startswith("ENTRYPOINT"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_unit_is_one(tmp_path: Path) -> None:
    program = tmp_path / "runwright"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "runwright.service"
    text = (_DEPLOY / "runwright.service").read_text()
    unit.write_text(text.replace("/opt/runwright/bin/runwright", str(program)))

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
