"""What a project's code runs in: its interpreter, its requirements, its Playwright."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.server import RunwrightServer, serving

from runwright import config
from runwright.errors import AuthorError
from runwright.execution.deployments import cache_gc, environments, requirement_files, uv
from runwright.execution.deployments.requirement_files import RequirementFiles

_TELLS = (
    "import sys\nfrom importlib.metadata import version\n"
    "async def automation(page, params):\n"
    "    await page.set_content('<h1>x</h1>')\n"
    "    return [await page.inner_text('h1'), version('playwright'), sys.version_info[1]]\n"
)


def _pyproject(*dependencies: str, python: str = ">=3.11") -> str:
    listed = ", ".join(f'"{each}"' for each in dependencies)
    return (
        f'[project]\nname = "p"\nversion = "0"\nrequires-python = "{python}"\n'
        f"dependencies = [{listed}]\n"
    )


@pytest.mark.parametrize("version", ["1.49.0", "1.55.0"])
def test_another_playwright_than_ours_works(server: RunwrightServer, version: str) -> None:
    files = {"api/tells.py": _TELLS, "pyproject.toml": _pyproject(f"playwright=={version}")}
    deployed = server.deploy(f"playwright-{version}", files)
    assert deployed["status"] == "ready", deployed["error"]

    found = server.run(f"playwright-{version}", "tells")

    assert found["status"] == "completed", found
    assert found["result"][:2] == ["x", version]


def test_requirements_txt_is_installed(server: RunwrightServer) -> None:
    files = {
        "api/uses.py": "import bottle\nasync def automation(page, params):\n    return bottle.__version__\n",
        "requirements.txt": "bottle==0.13.2  # pinned\n",
    }
    deployed = server.deploy("plain-requirements", files)
    assert deployed["status"] == "ready", deployed["error"]

    assert server.run("plain-requirements", "uses")["result"] == "0.13.2"
    assert any("bottle" in line for line in deployed["progress"])
    compiled = "environments/*/lib/*/site-packages/__pycache__/bottle.*.pyc"
    assert list(server.data_dir.glob(compiled))


def test_a_lock_decides_over_what_is_newer(server: RunwrightServer, tmp_path: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    pyproject = _pyproject("bottle==0.13.1")
    (tmp_path / "pyproject.toml").write_text(pyproject)
    subprocess.run([uv, "lock", "--quiet", "--python", sys.executable], cwd=tmp_path, check=True)
    files = {
        "api/uses.py": "import bottle\nasync def automation(page, params):\n    return bottle.__version__\n",
        "pyproject.toml": pyproject.replace("bottle==0.13.1", "bottle>=0.13"),
        "uv.lock": (tmp_path / "uv.lock").read_text(),
    }
    deployed = server.deploy("locked", files)
    assert deployed["status"] == "ready", deployed["error"]

    assert server.run("locked", "uses")["result"] == "0.13.1"


def test_a_missing_interpreter_is_a_clear_error(server: RunwrightServer) -> None:
    files = {"api/tells.py": _TELLS, "pyproject.toml": _pyproject(python="==3.99.*")}

    deployed = server.deploy("no-python", files)

    assert deployed["status"] == "failed"
    assert "3.99" in deployed["error"]


def test_an_import_that_hangs_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_INSPECT_TIMEOUT="3") as server:
        deployed = server.deploy("hangs", {"api/a.py": "import time\ntime.sleep(1000)\n"})

        assert deployed["status"] == "failed"
        assert "more than 3 s" in deployed["error"]


def test_two_deploys_of_one_project_at_once_both_end_and_the_later_is_current(
    server: RunwrightServer,
) -> None:
    def deploy(number: int) -> None:
        source = f"async def automation(page, params):\n    return {number}\n"
        found.append(server.deploy("twice", {"api/a.py": source}))

    found: list[dict[str, object]] = []
    threads = [threading.Thread(target=deploy, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each["status"] for each in found] == ["ready"] * 3
    with server.client() as client:
        listed = client.get("/projects/twice/deployments").json()
    assert listed["current"] == listed["deployments"][0]["id"]


def _bottle(folder: Path) -> RequirementFiles:
    (folder / "project").mkdir()
    (folder / "project/requirements.txt").write_text("bottle==0.13.2\n")
    return requirement_files.read(folder / "project")


async def _silent(_line: str) -> None: ...


async def test_an_environment_is_built_once_for_who_want_it_at_once(tmp_path: Path) -> None:
    settings = config.read({"RUNWRIGHT_DATA_DIR": str(tmp_path)})
    lines: list[str] = []

    async def hear(line: str) -> None:
        lines.append(line)

    wanted = _bottle(tmp_path)
    made = await asyncio.gather(
        *(
            environments.ensure(settings, wanted.requirements, lambda: wanted, hear)
            for _ in range(3)
        )
    )

    assert len({each.id for each in made}) == 1
    assert sum("Building an environment" in line for line in lines) == 1


async def test_an_environment_that_grows_too_large_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config.read(
        {"RUNWRIGHT_DATA_DIR": str(tmp_path), "RUNWRIGHT_MAX_ENVIRONMENT_BYTES": "1000"}
    )
    monkeypatch.setattr(uv, "_SIZE_SECONDS", 0.0)

    wanted = _bottle(tmp_path)

    with pytest.raises(AuthorError, match="RUNWRIGHT_MAX_ENVIRONMENT_BYTES"):
        await environments.ensure(settings, wanted.requirements, lambda: wanted, _silent)

    assert not [each for each in (tmp_path / "environments").iterdir() if each.is_dir()]


def test_what_nobody_uses_is_removed_and_what_is_kept_stays(tmp_path: Path) -> None:
    for name in ("environments/old", "environments/held", "environments/new", "deployments/old"):
        (tmp_path / name / "bin").mkdir(parents=True)
    kept = [tmp_path / "environments/held/bin/python"]
    shutil.copystat(tmp_path, tmp_path / "environments/new")
    now = time.time() + 1000
    cache_gc.os.utime(tmp_path / "environments/new", (now, now))

    removed = cache_gc.sweep(tmp_path, kept=kept, unused_for=timedelta(seconds=500), now=now)

    assert {str(each.relative_to(tmp_path)) for each in removed} == {
        "environments/old",
        "deployments/old",
    }
    left = {each.name for each in (tmp_path / "environments").iterdir() if each.is_dir()}
    assert left == {"held", "new"}
