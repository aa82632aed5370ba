"""Finds a project's requirement files and everything they refer to, without running any of its code.

An Environment is built from these files alone, so their contents are its key.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runwright.domain.projects import Requirements
from runwright.domain.text import urls
from runwright.errors import AuthorError
from runwright.execution.deployments import project_toml, requirement_lines
from runwright.execution.deployments.requirement_lines import Line

_PYPROJECT, _LISTED, _LOCK = Path("pyproject.toml"), Path("requirements.txt"), Path("uv.lock")
_UV = Path("uv.toml")
_READ_KEYS = ("name", "dependencies", "optional-dependencies", "requires-python")
_UNREAD = ("Pipfile", "environment.yml", "requirements.in", "setup.cfg", "setup.py")
PLATFORM, OTHER_FORMAT = "runwright", "intuned-runtime"
"""Provided by the platform, so never installed; the second one's dependencies are."""
_CREDENTIALS = re.compile(r"(://)[^/@\s]*@")
_OTHER_SETTINGS = {Path("Intuned.jsonc"), Path("Intuned.json")}
_OTHER_PYTHON = "==3.12.*"
"""The version that projects of that format run on at their origin, and that `intuned-browser` can be imported on."""
_HEADER = re.compile(r"^[ \t]*\[[ \t]*project[ \t]*\][^\n]*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementFiles:
    """The files that an Environment is built from."""

    root: Path
    """The project's folder."""
    requirements: Requirements
    """What the files require."""
    inputs: tuple[Path, ...] = ()
    """The files passed to uv; empty: the platform's own environment is used."""
    files: tuple[Path, ...] = ()
    """The inputs and everything they may refer to, relative to the root."""
    lines: Mapping[Path, tuple[Line, ...]] = field(default_factory=dict[Path, tuple[Line, ...]])
    """The lines of `requirements.txt` and of the files it includes."""
    hashed: str = ""
    """The content of a requirements file for all packages with hashes; empty if there are none."""
    remarks: tuple[str, ...] = ()
    """Remarks for the person who deploys."""

    @property
    def is_locked(self) -> bool:
        """True when a lock file pins everything."""
        return self.inputs == (_LOCK,)

    def copy(self, target: Path) -> None:
        """Copy the files into a new folder, because builds write into their source folder."""
        target.mkdir()
        for file in self.files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            if file in self.lines:
                text = requirement_lines.joined(project_toml.text(self.root / file, file))
                (target / file).write_text(text, encoding="utf-8")
            elif file == _PYPROJECT:
                text = _named(project_toml.text(self.root / file, file))
                (target / file).write_text(text, encoding="utf-8")
            else:
                shutil.copy2(self.root / file, target / file)
        if self.requirements.sha256 is None:
            text = "\n".join(self.requirements.packages)
            (target / _LISTED).write_text(text, encoding="utf-8")

    def places(self, said: str) -> list[str]:
        """The lines that require the packages named in an error."""
        words = {requirement_lines.normalized(each) for each in re.findall(r"[\w.-]+", said)}
        return [
            f"{file}, line {line.number}: {_without_credentials(line.text)}"
            for file, lines in self.lines.items()
            for line in lines
            if line.name in words
        ]


def read(root: Path, deployed: Iterable[Path] | None = None) -> RequirementFiles:
    """Read a project's requirements.

    `deployed` are the files that belong to the project, relative to its folder; None: all files in it.

    Raises:
        AuthorError: a file cannot be read or refers to a missing one; names the line.
    """
    if deployed is None:
        deployed = (each.relative_to(root) for each in root.rglob("*") if each.is_file())
    files = frozenset(deployed)
    pyproject = project_toml.toml(root / _PYPROJECT)
    tool = project_toml.table(pyproject, "tool", "pyproject.toml")
    project = project_toml.table(pyproject, "project", "pyproject.toml")
    python = project.get("requires-python")
    if python is not None and not isinstance(python, str):
        raise AuthorError("pyproject.toml: `project.requires-python` must be a string.")
    reading = _Reading(root, files)
    if _LOCK in files:
        inputs, packages = (_LOCK,), _locked(root)
        reading.take(_LOCK)
    else:
        inputs, packages = reading.unlocked(project, tool)
    remarks = _remarks(files, inputs)
    if _is_local(project_toml.table(tool, "uv", "pyproject.toml [tool]")):
        reading.take_all()
    names = {requirement_lines.name(each) for each in packages}
    if not inputs or (names <= {PLATFORM} and not reading.is_all):
        return RequirementFiles(
            root=root, requirements=Requirements(python=python), remarks=remarks
        )
    for name in {_PYPROJECT, _UV} & files:
        reading.take(name)
    # This is what uv reads of a `pyproject.toml` that is not built.
    said = {"project": {key: project.get(key) for key in _READ_KEYS}, "uv": tool.get("uv")}
    requirements = Requirements(
        python=python,
        packages=tuple(sorted({_without_credentials(each) for each in packages})),
        sha256=_digest(root, reading.files, None if reading.is_all else said),
        preferred_python=_OTHER_PYTHON if python is None and files & _OTHER_SETTINGS else None,
    )
    return RequirementFiles(
        root=root,
        requirements=requirements,
        inputs=inputs,
        files=tuple(sorted(reading.files)),
        lines=reading.lines,
        hashed=reading.hashed(),
        remarks=remarks,
    )


def of_packages(root: Path, requirements: Requirements) -> RequirementFiles:
    """The requirements of an old manifest, from when only the list of packages was stored."""
    return RequirementFiles(root=root, requirements=requirements, inputs=(_LISTED,))


class _Reading:
    """Collects files by following references from one file to another."""

    def __init__(self, root: Path, deployed: frozenset[Path]) -> None:
        self._root = root
        self._deployed = deployed
        self._folders = {parent for file in deployed for parent in file.parents}
        self.files: set[Path] = set()
        self.lines: dict[Path, tuple[Line, ...]] = {}
        self.is_all = False
        self._constraints: set[Path] = set()

    def take(self, file: Path) -> None:
        self.files.add(file)

    def take_all(self) -> None:
        """Include all files: only a package's own build backend knows what it reads."""
        self.files |= self._deployed
        self.is_all = True

    def unlocked(
        self, project: dict[str, Any], tool: dict[str, Any]
    ) -> tuple[tuple[Path, ...], list[str]]:
        """The files for uv to read, and the packages they require."""
        inputs: list[Path] = []
        packages = project_toml.texts(
            project.get("dependencies", []), "pyproject.toml: `project.dependencies`"
        )
        for each in packages:
            self._follow_path(requirement_lines.path(each), _PYPROJECT, f"pyproject.toml: `{each}`")
        is_dynamic = "dependencies" in project_toml.texts(
            project.get("dynamic", []), "pyproject.toml: `project.dynamic`"
        )
        poetry = {} if project else project_toml.table(tool, "poetry", "pyproject.toml [tool]")
        poetry_packages = project_toml.table(poetry, "dependencies", "pyproject.toml [tool.poetry]")
        if is_dynamic or poetry_packages:
            self.take_all()
            packages += [each for each in poetry_packages if each != "python"]
        if packages or is_dynamic:
            inputs.append(_PYPROJECT)
        if _LISTED in self._deployed:
            self._follow(_LISTED)
            inputs.append(_LISTED)
        packages += [line.text for line in self.required() if line.is_requirement]
        return tuple(inputs), packages

    def required(self) -> list[Line]:
        """The lines of all files except constraints."""
        files = (each for each in self.lines if each not in self._constraints)
        return [line for file in files for line in self.lines[file]]

    def hashed(self) -> str:
        """The content of a requirements file in the project's root for all packages with hashes."""
        if not any(line.has_hash for line in self.required()):
            return ""
        kept: list[str] = []
        for file in [each for each in self.lines if each not in self._constraints]:
            for line in self.lines[file]:
                if line.is_option and line.path is not None:
                    kept.append(f"--find-links {self._found(line.path, file, line.text)}")
                elif line.is_option or (
                    line.has_hash and line.name not in (PLATFORM, OTHER_FORMAT)
                ):
                    kept.append(line.text)
        return "\n".join([*kept, ""])

    def _follow(self, file: Path, *, constrains: bool = False) -> None:
        """Take a requirements file and everything it refers to."""
        self.take(file)
        if constrains:
            self._constraints.add(file)
        self.lines[file] = tuple(
            requirement_lines.lines(project_toml.text(self._root / file, file))
        )
        for line in self.lines[file]:
            place = f"{file}, line {line.number}: `{_without_credentials(line.text)}`"
            if line.includes is None:
                self._follow_path(line.path, file, place)
                continue
            included = self._found(line.includes, file, place)
            if included not in self._deployed:
                raise AuthorError(f"{place}: this file does not exist in the project.")
            if included not in self.lines:
                self._follow(included, constrains=constrains or line.constrains)

    def _follow_path(self, path: str | None, file: Path, place: str) -> None:
        if path is None:
            return
        found = self._found(path, file, place)
        if found in self._deployed:
            self.take(found)
        elif found in self._folders:
            self.take_all()
        else:
            raise AuthorError(
                f"{place}: `{path}` does not exist in the project. Files ignored by `.gitignore` are not deployed."
            )

    def _found(self, path: str, file: Path, place: str) -> Path:
        """Resolve a path in a file, relative to the file's folder or else to the project's."""
        meant = [Path(os.path.normpath(base / path)) for base in (file.parent, Path())]
        inside = [each for each in meant if not each.is_absolute() and ".." not in each.parts]
        if not inside:
            raise AuthorError(
                f"{place}: `{path}` is outside the project, and only the project is deployed."
            )
        known = self._deployed | self._folders
        return next((each for each in inside if each in known), inside[0])


def _named(pyproject: str) -> str:
    """A `pyproject.toml` completed with name and version, which uv requires and nothing here uses."""
    project = project_toml.table(tomllib.loads(pyproject), "project", "pyproject.toml")
    lacking = {"name": "project", "version": "0"}.items()
    known = project.keys() | set(project.get("dynamic", []))
    lines = [f'{key} = "{value}"' for key, value in lacking if key not in known]
    return _HEADER.sub(lambda header: "\n".join([header.group(), *lines]), pyproject, count=1)


def _locked(root: Path) -> list[str]:
    packages = project_toml.toml(root / _LOCK).get("package", [])
    return [
        f"{package['name']}=={package['version']}"
        for package in packages
        if "version" in package and "." not in package.get("source", {}).values()
    ]


def _is_local(uv: dict[str, Any]) -> bool:
    """True when uv's settings refer to files or folders of the project."""
    sources: list[Any] = []
    for source in project_toml.table(uv, "sources", "pyproject.toml [tool.uv]").values():
        sources += source if isinstance(source, list) else [source]
    return "workspace" in uv or any("path" in each or "workspace" in each for each in sources)


def _remarks(files: frozenset[Path], inputs: tuple[Path, ...]) -> tuple[str, ...]:
    if inputs == (_LOCK,) and _LISTED in files:
        return ("`uv.lock` decides what is installed; `requirements.txt` is ignored",)
    unread = next((name for name in _UNREAD if Path(name) in files), None)
    if inputs or unread is None:
        return ()
    return (
        f"`{unread}` is ignored: put requirements in `pyproject.toml`, `requirements.txt` or `uv.lock`",
    )


def _digest(root: Path, files: set[Path], pyproject: dict[str, Any] | None) -> str:
    """The hash of all contents; for `pyproject.toml`, of the given parts only, if any."""
    contents = {str(each): hashlib.sha256((root / each).read_bytes()).hexdigest() for each in files}
    if pyproject is not None:
        contents[str(_PYPROJECT)] = json.dumps(pyproject, sort_keys=True, default=str)
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub(rf"\1{urls.MASK}@", text)
