"""Finds the files that say what a project requires, and all that they refer to, without running any of its code.

An Environment is made from these files and nothing else, so their contents are its key.
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
from runwright.execution.deployments import requirement_lines
from runwright.execution.deployments.requirement_lines import Line

_PYPROJECT, _LISTED, _LOCK = Path("pyproject.toml"), Path("requirements.txt"), Path("uv.lock")
_UV = Path("uv.toml")
_READ_KEYS = ("name", "dependencies", "optional-dependencies", "requires-python")
_UNREAD = ("Pipfile", "environment.yml", "requirements.in", "setup.cfg", "setup.py")
PLATFORM, OTHER_FORMAT = "runwright", "intuned-runtime"
"""Served by the platform itself, so never installed; what the second would bring along is."""
_CREDENTIALS = re.compile(r"(://)[^/@\s]*@")
_OTHER_SETTINGS = {Path("Intuned.jsonc"), Path("Intuned.json")}
_OTHER_PYTHON = "==3.12.*"
"""On which projects of that format run where they come from, and `intuned-browser` can be imported."""
_HEADER = re.compile(r"^[ \t]*\[[ \t]*project[ \t]*\][^\n]*$", re.MULTILINE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementFiles:
    """What an Environment is made from."""

    root: Path
    """The project's folder."""
    requirements: Requirements
    """What the files say."""
    inputs: tuple[Path, ...] = ()
    """What uv reads first; nothing: the platform's own environment serves."""
    files: tuple[Path, ...] = ()
    """The inputs and all that they may refer to, relative to the root."""
    lines: Mapping[Path, tuple[Line, ...]] = field(default_factory=dict[Path, tuple[Line, ...]])
    """Of `requirements.txt` and of what it includes."""
    hashed: str = ""
    """A requirements file of all that must have certain hashes; empty where nothing must."""
    remarks: tuple[str, ...] = ()
    """What who deploys should know."""

    @property
    def is_locked(self) -> bool:
        """Whether a lock says everything, exactly."""
        return self.inputs == (_LOCK,)

    def copy(self, target: Path) -> None:
        """Put copies into a new folder: builders write into what they build."""
        target.mkdir()
        for file in self.files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            if file in self.lines:
                text = requirement_lines.joined(_text(self.root / file, file))
                (target / file).write_text(text, encoding="utf-8")
            elif file == _PYPROJECT:
                text = _named(_text(self.root / file, file))
                (target / file).write_text(text, encoding="utf-8")
            else:
                shutil.copy2(self.root / file, target / file)
        if self.requirements.sha256 is None:
            text = "\n".join(self.requirements.packages)
            (target / _LISTED).write_text(text, encoding="utf-8")

    def places(self, said: str) -> list[str]:
        """Return where the packages are required that an error names."""
        words = {requirement_lines.normalized(each) for each in re.findall(r"[\w.-]+", said)}
        return [
            f"{file}, line {line.number}: {_without_credentials(line.text)}"
            for file, lines in self.lines.items()
            for line in lines
            if line.name in words
        ]


def read(root: Path, deployed: Iterable[Path] | None = None) -> RequirementFiles:
    """Read what a project requires.

    `deployed` are the files of its folder that belong to it, relative to the folder; None: all.

    Raises:
        AuthorError: a file cannot be read, or refers to what is not there; says which line.
    """
    if deployed is None:
        deployed = (each.relative_to(root) for each in root.rglob("*") if each.is_file())
    files = frozenset(deployed)
    pyproject = toml(root / _PYPROJECT)
    tool = table(pyproject, "tool", "pyproject.toml")
    project = table(pyproject, "project", "pyproject.toml")
    python = project.get("requires-python")
    if python is not None and not isinstance(python, str):
        raise AuthorError("pyproject.toml: `project.requires-python` must be a text.")
    reading = _Reading(root, files)
    if _LOCK in files:
        inputs, packages = (_LOCK,), _locked(root)
        reading.take(_LOCK)
    else:
        inputs, packages = reading.unlocked(project, tool)
    remarks = _remarks(files, inputs)
    if _is_local(table(tool, "uv", "pyproject.toml [tool]")):
        reading.take_all()
    names = {requirement_lines.name(each) for each in packages}
    if not inputs or (names <= {PLATFORM} and not reading.is_all):
        return RequirementFiles(
            root=root, requirements=Requirements(python=python), remarks=remarks
        )
    for name in {_PYPROJECT, _UV} & files:
        reading.take(name)
    # Of a `pyproject.toml` that nobody builds, uv reads this much.
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
    """Return what a manifest requires that was made when the list of packages was all that was kept."""
    return RequirementFiles(root=root, requirements=requirements, inputs=(_LISTED,))


def toml(file: Path) -> dict[str, Any]:
    """Read a TOML file; one that is not there says nothing.

    Raises:
        AuthorError: it cannot be parsed.
    """
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(_text(file, Path(file.name)))
    except tomllib.TOMLDecodeError as error:
        raise AuthorError(f"Cannot read `{file.name}`: {error}") from error


def table(parent: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    """Return a table of a TOML file; one that is not there is empty.

    Raises:
        AuthorError: it is something else.
    """
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise AuthorError(f"{source}: `{name}` must be a table.")
    return found  # pyright: ignore[reportUnknownVariableType]


class _Reading:
    """Follows what one file says of another."""

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
        """Count everything in: what a package's own builder reads, only it can tell."""
        self.files |= self._deployed
        self.is_all = True

    def unlocked(
        self, project: dict[str, Any], tool: dict[str, Any]
    ) -> tuple[tuple[Path, ...], list[str]]:
        """Return what uv is to read, and what that requires."""
        inputs: list[Path] = []
        packages = _texts(project.get("dependencies", []), "pyproject.toml: `project.dependencies`")
        for each in packages:
            self._follow_path(requirement_lines.path(each), _PYPROJECT, f"pyproject.toml: `{each}`")
        is_dynamic = "dependencies" in _texts(
            project.get("dynamic", []), "pyproject.toml: `project.dynamic`"
        )
        poetry = {} if project else table(tool, "poetry", "pyproject.toml [tool]")
        poetry_packages = table(poetry, "dependencies", "pyproject.toml [tool.poetry]")
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
        """Return the lines of all files but those of constraints."""
        files = (each for each in self.lines if each not in self._constraints)
        return [line for file in files for line in self.lines[file]]

    def hashed(self) -> str:
        """Return a requirements file, for the project's root, of all that must have certain hashes."""
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
        """Take a requirements file, and what it refers to."""
        self.take(file)
        if constrains:
            self._constraints.add(file)
        self.lines[file] = tuple(requirement_lines.lines(_text(self._root / file, file)))
        for line in self.lines[file]:
            place = f"{file}, line {line.number}: `{_without_credentials(line.text)}`"
            if line.includes is None:
                self._follow_path(line.path, file, place)
                continue
            included = self._found(line.includes, file, place)
            if included not in self._deployed:
                raise AuthorError(f"{place}: there is no such file in the project.")
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
                f"{place}: there is no `{path}` in the project. What `.gitignore` leaves out is not deployed."
            )

    def _found(self, path: str, file: Path, place: str) -> Path:
        """Return what a path in a file means: seen from the file's own folder, otherwise from the project's."""
        meant = [Path(os.path.normpath(base / path)) for base in (file.parent, Path())]
        inside = [each for each in meant if not each.is_absolute() and ".." not in each.parts]
        if not inside:
            raise AuthorError(
                f"{place}: `{path}` is outside of the project, and only the project is deployed."
            )
        known = self._deployed | self._folders
        return next((each for each in inside if each in known), inside[0])


def _named(pyproject: str) -> str:
    """Return a project whose name and version uv can read: it wants both, and nothing here needs them."""
    project = table(tomllib.loads(pyproject), "project", "pyproject.toml")
    lacking = {"name": "project", "version": "0"}.items()
    known = project.keys() | set(project.get("dynamic", []))
    lines = [f'{key} = "{value}"' for key, value in lacking if key not in known]
    return _HEADER.sub(lambda header: "\n".join([header.group(), *lines]), pyproject, count=1)


def _locked(root: Path) -> list[str]:
    packages = toml(root / _LOCK).get("package", [])
    return [
        f"{package['name']}=={package['version']}"
        for package in packages
        if "version" in package and "." not in package.get("source", {}).values()
    ]


def _is_local(uv: dict[str, Any]) -> bool:
    """Return whether uv's own settings name files or folders of the project."""
    sources: list[Any] = []
    for source in table(uv, "sources", "pyproject.toml [tool.uv]").values():
        sources += source if isinstance(source, list) else [source]
    return "workspace" in uv or any("path" in each or "workspace" in each for each in sources)


def _remarks(files: frozenset[Path], inputs: tuple[Path, ...]) -> tuple[str, ...]:
    if inputs == (_LOCK,) and _LISTED in files:
        return ("`uv.lock` says what is installed, and `requirements.txt` is not read",)
    unread = next((name for name in _UNREAD if Path(name) in files), None)
    if inputs or unread is None:
        return ()
    return (
        f"`{unread}` is not read: requirements stand in `pyproject.toml`, `requirements.txt` or `uv.lock`",
    )


def _digest(root: Path, files: set[Path], pyproject: dict[str, Any] | None) -> str:
    """Return the key of all contents; of a `pyproject.toml` the given ones count, if any are."""
    contents = {str(each): hashlib.sha256((root / each).read_bytes()).hexdigest() for each in files}
    if pyproject is not None:
        contents[str(_PYPROJECT)] = json.dumps(pyproject, sort_keys=True, default=str)
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _text(file: Path, name: Path) -> str:
    content = file.read_bytes()
    if content.startswith(_UTF_16):
        raise AuthorError(
            f"`{name}`, line 1: it is UTF-16, as PowerShell writes: save it as UTF-8."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise AuthorError(
            f"`{name}`, line {number}: it is not UTF-8, in which files are written: {error.reason}."
        ) from error


def _texts(found: object, what: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):  # pyright: ignore[reportUnknownVariableType]
        raise AuthorError(f"{what} must be a list of texts.")
    return [str(each).strip() for each in found]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub(rf"\1{urls.MASK}@", text)
