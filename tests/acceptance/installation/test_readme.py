"""The commands in the README do what it says."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from helpers.server import environment, eventually
from outside import pages, sign_in_site

ROOT = Path(__file__).resolve().parents[3]
_DEMO_SECONDS = 240
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_make_has_the_commands_that_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(r"\bmake ([a-z]+)", README):
        assert f"\n{target}:" in makefile


def test_the_files_that_the_readme_links_to_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).is_file(), link


def test_the_first_project_and_the_calls_work_as_written(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program in ("runwright", "python"):
        target = Path(sys.executable).with_name(program)
        (tmp_path / ".venv" / "bin" / program).symlink_to(target)
    _, first_project, start, result, signed_in = _blocks("sh")
    (client,) = _blocks("python")
    with (
        pages.serving({"/": "<title>Example Domain</title>"}) as address,
        sign_in_site.serving() as site,
    ):
        files = sign_in_site.project(site)
        for name, text in {**files, "api/orders.py": files["api/home.py"]}.items():
            (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "shop" / name).write_text(text)
        (tmp_path / "anna.json").write_text(json.dumps(site.parameters))
        signed_in = re.sub(r"--params '.*'", "--params @anna.json", signed_in)
        script = "\n".join(
            [
                "set -eu",
                "trap 'kill %1; wait' EXIT",
                first_project.replace("make setup", ":"),
                f"RUN_ID=$({{ {start.strip()} ; }} | tee started.json | cut -d'\"' -f4)",
                'eval "$(.venv/bin/runwright env)"',
                f"{result.strip()} > result.json",
                f"cat > client.py <<'END'\n{client}END\n{sys.executable} client.py > client.txt",
                ".venv/bin/runwright deploy shop --project shop",
                f"{{ {signed_in.strip()} ; }} > orders.txt",
            ]
        ).replace("https://example.com", address)
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "share")),
            capture_output=True,
            text=True,
            timeout=_DEMO_SECONDS,
            check=False,
        )

    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "started.json").read_text())["status"] == "pending"
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["result"] == {"title": "Example Domain"}
    assert "Example Domain" in (tmp_path / "client.txt").read_text()
    assert (tmp_path / "orders.txt").read_text().split() == ["anna", '"Welcome"']


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_demo_shows_a_table_and_leaves_nothing_alive(tmp_path: Path) -> None:
    family: set[psutil.Process] = set()
    with (tmp_path / "said").open("w+") as said:
        demo = subprocess.Popen(
            [sys.executable, "scripts/demo.py"], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT
        )
        eventually(lambda: _has_ended(demo, family), within=_DEMO_SECONDS)
    told = (tmp_path / "said").read_text()

    assert demo.returncode == 0, told
    assert "263 rows from 14 pages" in told
    assert (ROOT / ".runwright" / "demo" / "trace.zip").is_file()
    # A server, a PostgreSQL, Runners with their browsers.
    assert len(family) > 10
    assert [each for each in family if each.is_running()] == []


def _has_ended(demo: subprocess.Popen[bytes], family: set[psutil.Process]) -> bool:
    """Return whether the demo is over; what it has started by now joins the family."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family.update(psutil.Process(demo.pid).children(recursive=True))
    return demo.poll() is not None
