"""A project's requirements come from its own files, and mean here what they mean to the author's tools."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from runwright import config
from runwright.domain.projects import Requirements
from runwright.errors import AuthorError
from runwright.execution.deployments import environments, interpreters, requirement_files
from runwright.execution.deployments.requirement_files import RequirementFiles

_UV = str(Path(sys.executable).with_name("uv"))
_BUILDS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
_BY_UV = '[tool.uv.sources]\nlib = { path = "./lib", editable = true }\n'


def _pyproject(*dependencies: str, more: str = "") -> str:
    listed = ", ".join(f'"{each}"' for each in dependencies)
    return (
        f'[project]\nname = "p"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{listed}]\n'
        + more
    )


def _wheel(folder: Path, name: str, version: str = "1.0") -> bytes:
    """Return a wheel with a module that knows its version."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        wheel.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{information}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{information}/RECORD", "")
    return file.read_bytes()


def _project(folder: Path, files: Mapping[str, str | bytes]) -> RequirementFiles:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return requirement_files.read(folder)


def _library(name: str, requires: str = "") -> dict[str, str | bytes]:
    """Return a package of a project's own, in a folder."""
    return {
        f"{name}/pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = [{requires}]\n'
        + _BUILDS
        + f'[tool.setuptools]\npackages = ["{name}pkg"]\n',
        f"{name}/{name}pkg/__init__.py": "WORD = 'hello'\n",
    }


async def _silent(_line: str) -> None: ...


async def _python(
    tmp_path: Path, wanted: RequirementFiles, report: environments.Report = _silent
) -> Path:
    settings = config.read({"RUNWRIGHT_DATA_DIR": str(tmp_path / "data")})
    made = await environments.ensure(settings, wanted.requirements, lambda: wanted, report)
    return made.python


def _said(python: Path, code: str) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _versions(python: Path, *names: str) -> list[str]:
    code = f"from importlib.metadata import version as v; print(*[v(n) for n in {names!r}])"
    return _said(python, code).split()


async def test_what_requirements_txt_says_is_installed_however_it_says_it(tmp_path: Path) -> None:
    wheels = {
        f"wheels/{name}-{version}-py3-none-any.whl": _wheel(tmp_path, name, version)
        for name in ("zz_nested", "zz_bound", "zz_goes_on", "zz_hashed", "zz_marked", "zz_linked")
        for version in ("1.0", "2.0")
    }
    digest = hashlib.sha256(wheels["wheels/zz_hashed-1.0-py3-none-any.whl"]).hexdigest()
    files = wheels | {
        "requirements.txt": "\ufeff-f wheels\r\n--requirement=requirements/base.txt\r\n-e ./one\r\n"
        "./two\r\nthree @ ./three\r\n--editable four\r\n./wheels/zz_linked-1.0-py3-none-any.whl\r\n"
        "runwright\r\nRunwright[dev]>=99\r\n",
        "requirements/base.txt": "-r more.txt\n-c bounds.txt\nzz_bound  # any\n",
        "requirements/bounds.txt": "zz_bound==1.0\n",
        "requirements/more.txt": "zz_nested==1.0\nzz_goes_on \\\n    >=1.0, \\\n    <2.0  # so\n"
        f"zz_hashed==1.0 \\\n    --hash=sha256:{digest}\nzz_marked==1.0 ; python_version >= '3'\n"
        "none-such ; python_version < '3'\n",
    }
    for name in ("one", "two", "three", "four"):
        files |= _library(name)

    python = await _python(tmp_path, _project(tmp_path / "project", files))

    names = (
        "zz_nested",
        "zz_bound",
        "zz_goes_on",
        "zz_hashed",
        "zz_marked",
        "zz_linked",
        "one",
        "two",
        "three",
        "four",
    )
    assert _versions(python, *names) == ["1.0"] * len(names)
    assert not list((tmp_path / "project").rglob("*.egg-info"))


async def test_what_the_table_of_uv_says_counts(tmp_path: Path) -> None:
    wheels = {
        f"wheels/{name}-{version}-py3-none-any.whl": _wheel(tmp_path, name, version)
        for name in ("zz_bound", "zz_other")
        for version in ("1.0", "2.0")
    }
    table = (
        "[tool.uv]\nfind-links = ['wheels']\nconstraint-dependencies = ['zz_bound==1.0']\n"
        "override-dependencies = ['zz_other==1.0']\n[tool.uv.workspace]\nmembers = ['two']\n"
        "[tool.uv.sources]\none = { path = './one', editable = true }\ntwo = { workspace = true }\n"
    )
    files = wheels | _library("one") | _library("two")
    files |= {"pyproject.toml": _pyproject("zz_bound", "zz_other==2.0", "one", "two", more=table)}

    python = await _python(tmp_path, _project(tmp_path / "project", files))

    assert _versions(python, "zz_bound", "zz_other", "one", "two") == ["1.0"] * 4


async def test_a_uv_toml_and_what_a_builder_reads_count(tmp_path: Path) -> None:
    wheels = {
        f"wheels/zz_bound-{version}-py3-none-any.whl": _wheel(tmp_path, "zz_bound", version)
        for version in ("1.0", "2.0")
    }
    files = wheels | {
        "uv.toml": "find-links = ['wheels']\nconstraint-dependencies = ['zz_bound==1.0']\n",
        "pyproject.toml": '[project]\nname = "p"\nversion = "0"\ndynamic = ["dependencies"]\n'
        + _BUILDS
        + '[tool.setuptools]\npackages = []\n[tool.setuptools.dynamic]\ndependencies = { file = ["deps.in"] }\n',
        "deps.in": "zz_bound\n",
    }

    python = await _python(tmp_path, _project(tmp_path / "project", files))

    assert _versions(python, "zz_bound") == ["1.0"]


async def test_poetrys_own_table_is_read_and_the_project_itself_may_be_asked_for(
    tmp_path: Path,
) -> None:
    files = {
        "p/__init__.py": "",
        "pyproject.toml": '[tool.poetry]\nname = "p"\nversion = "0"\ndescription = ""\nauthors = []\n'
        '[tool.poetry.dependencies]\npython = "^3.11"\nbottle = "0.13.1"\n'
        '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n',
        "requirements.txt": "-e .\n",
    }

    python = await _python(tmp_path, _project(tmp_path / "project", files))

    assert _versions(python, "bottle", "p") == ["0.13.1", "0"]


async def test_a_wheel_in_the_project_is_installed_and_a_changed_one_makes_another_environment(
    tmp_path: Path,
) -> None:
    files = {"requirements.txt": "./wheels/mine-1.0-py3-none-any.whl\n"}
    wheel = "wheels/mine-1.0-py3-none-any.whl"
    first = _project(tmp_path / "project", files | {wheel: _wheel(tmp_path, "mine")})
    python = await _python(tmp_path, first)
    assert _said(python, "import mine; print(mine.VERSION)") == "1.0"

    with zipfile.ZipFile(tmp_path / "mine-1.0-py3-none-any.whl", "a") as archive:
        archive.writestr("other.py", "")
    changed = (tmp_path / "mine-1.0-py3-none-any.whl").read_bytes()
    again = _project(tmp_path / "project", {wheel: changed})

    assert await _python(tmp_path, again) != python


async def test_an_editable_folder_works_after_the_project_is_gone(tmp_path: Path) -> None:
    python = await _python(
        tmp_path, _project(tmp_path / "project", _library("lib") | {"requirements.txt": "-e lib"})
    )
    shutil.rmtree(tmp_path / "project")

    assert _said(python, "import libpkg; print(libpkg.WORD)") == "hello"


async def test_a_lock_with_folders_and_extras_is_kept_to(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    files = _library("lib", '"bottle==0.13.1"') | {
        "pyproject.toml": _pyproject(
            "lib", "requests[socks]", more=_BY_UV + '[dependency-groups]\ndev = ["attrs"]\n'
        )
    }
    _project(folder, files)
    subprocess.run([_UV, "lock", "--quiet", "--python", sys.executable], cwd=folder, check=True)

    wanted = requirement_files.read(folder)
    python = await _python(tmp_path, wanted)

    assert _versions(python, "bottle") == ["0.13.1"]
    assert _said(python, "import socks, requests, libpkg; print(libpkg.WORD)") == "hello"
    installed = _said(python, "import importlib.util as u; print(u.find_spec('attr'))")
    assert installed == "None"
    assert "lib==1.0" in wanted.requirements.packages


async def test_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    text = f"bottle==0.13.1 --hash=sha256:{'0' * 64}\n"

    with pytest.raises(AuthorError, match="bottle"):
        await _python(tmp_path, _project(tmp_path / "project", {"requirements.txt": text}))


async def test_what_the_other_formats_runtime_brings_along_is_there_and_the_runtime_is_not(
    tmp_path: Path,
) -> None:
    files = {"pyproject.toml": _pyproject("intuned-runtime==1.3.20", "playwright==1.55.0")}

    python = await _python(tmp_path, _project(tmp_path / "project", files))

    assert _versions(python, "playwright") == ["1.55.0"]
    found = _said(
        python,
        "import importlib.util as u, requests, tenacity, yaml, numpy\n"
        "print(u.find_spec('intuned_runtime'), u.find_spec('intuned_cli'))",
    )
    assert found == "None None"


async def test_a_runtime_that_no_index_has_is_left_out_alone(tmp_path: Path) -> None:
    lines: list[str] = []

    async def hear(line: str) -> None:
        lines.append(line)

    files = {"requirements.txt": "intuned-runtime==99.0\nbottle==0.13.1\n"}
    python = await _python(tmp_path, _project(tmp_path / "project", files), hear)

    assert _versions(python, "bottle") == ["0.13.1"]
    assert any("dependencies of `intuned-runtime` conflict" in line for line in lines)


async def test_a_playwright_that_others_bring_is_ours_where_that_fits(tmp_path: Path) -> None:
    files = {"requirements.txt": "bottle==0.13.1\nplaywright>=1.40\n"}

    python = await _python(tmp_path, _project(tmp_path / "project", files))

    assert _versions(python, "playwright") == [version("playwright")]


async def test_a_project_of_the_other_format_that_says_no_python_gets_that_formats(
    tmp_path: Path,
) -> None:
    if not Path(await interpreters.find(SpecifierSet("==3.12.*"))).is_absolute():
        pytest.skip("there is no Python 3.12 on this machine")
    files = {"Intuned.jsonc": "{}", "requirements.txt": "bottle==0.13.1\n"}
    own = {"requirements.txt": "bottle==0.13.1\n"}

    moved = await _python(tmp_path, _project(tmp_path / "moved", files))
    native = await _python(tmp_path, _project(tmp_path / "native", own))

    tell = "import sys; print(*sys.version_info[:2])"
    assert _said(moved, tell) == "3 12"
    assert _said(native, tell) == f"3 {sys.version_info[1]}"


async def test_a_requirement_that_is_nowhere_is_told_with_its_line(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "six\n-r more.txt\n",
        "more.txt": "\n# for us\nNo_Such.Thing-zz==9\n",
    }

    with pytest.raises(AuthorError) as caught:
        await _python(tmp_path, _project(tmp_path / "project", files))

    assert caught.value.message.splitlines()[-1] == "more.txt, line 3: No_Such.Thing-zz==9"
    assert str(tmp_path) not in caught.value.message


async def test_nothing_of_a_failed_build_stays(tmp_path: Path) -> None:
    with pytest.raises(AuthorError):
        await _python(
            tmp_path, _project(tmp_path / "project", {"requirements.txt": "no-such-thing-zz\n"})
        )

    left = [each for each in (tmp_path / "data/environments").iterdir() if each.suffix != ".lock"]
    assert not left


async def test_settings_of_uv_above_the_project_are_nobodys(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('constraint-dependencies = ["bottle==0.12.25"]\n')

    python = await _python(
        tmp_path, _project(tmp_path / "project", {"requirements.txt": "bottle==0.13.1\n"})
    )

    assert _versions(python, "bottle") == ["0.13.1"]


async def test_an_environment_of_an_earlier_version_is_found_and_can_be_built_again(
    tmp_path: Path,
) -> None:
    listed = Requirements(packages=("bottle==0.13.1",))
    wanted = requirement_files.of_packages(tmp_path, listed)

    python = await _python(tmp_path, wanted)

    assert _versions(python, "bottle") == ["0.13.1"]
    assert await _python(tmp_path, wanted) == python


async def test_an_environment_that_is_there_is_found_without_the_projects_files(
    tmp_path: Path,
) -> None:
    wanted = _project(tmp_path / "project", {"requirements.txt": "bottle==0.13.1\n"})
    python = await _python(tmp_path, wanted)
    settings = config.read({"RUNWRIGHT_DATA_DIR": str(tmp_path / "data")})

    def read() -> RequirementFiles:
        raise AssertionError("nothing is to be read")

    found = await environments.ensure(settings, wanted.requirements, read, _silent)

    assert found.python == python
