"""Reads an unpacked project's own settings and requirements, without running any of its code."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from runwright.domain import job_text, sinks
from runwright.domain.auth_sessions import is_session_id
from runwright.domain.job_text import InvalidJob
from runwright.domain.jobs import JobPlan, is_job_id
from runwright.domain.projects import (
    BrowserKind,
    Isolation,
    ProjectSecrets,
    ProjectSettings,
    Requirements,
)
from runwright.domain.sinks import InvalidSink, Sink
from runwright.errors import AuthorError
from runwright.execution import samples

_OURS = ("intuned-runtime", "runwright")
"""Served by the platform itself, so never installed."""
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")
_REQUIREMENT_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_CREATE, _CHECK = "auth-sessions/create.py", "auth-sessions/check.py"
_DECLARED = "intuned-resources/auth-sessions"
_DECLARED_JOBS = "intuned-resources/jobs"
_WIDTHS = (200, 3840)
_HEIGHTS = (200, 2160)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFolder:
    """What a project says of itself."""

    settings: ProjectSettings
    requirements: Requirements
    samples: dict[str, dict[str, Any]]
    """Sample parameters by Api and case."""
    secrets: ProjectSecrets
    lacks_check: bool
    """Auth sessions are enabled and nothing can say whether one is good."""


def read(root: Path) -> ProjectFolder:
    """Read a project's folder.

    Raises:
        AuthorError: a settings file cannot be parsed, or says something impossible; names file and key.
    """
    pyproject = _toml(root / "pyproject.toml")
    intuned = next(
        (root / name for name in ("Intuned.jsonc", "Intuned.json") if (root / name).is_file()), None
    )
    if intuned is not None:
        body, source = _jsonc(intuned), intuned.name
        settings = _settings(_snake_keys(body), kind="intuned", source=source)
    else:
        body = _table(pyproject.get("tool", {}), "runwright", "pyproject.toml")
        source = "pyproject.toml [tool.runwright]"
        settings = _settings(body, kind="native", source=source)
    if not (root / "api").is_dir():
        raise AuthorError("The project has no folder `api`: each file in it becomes one API.")
    settings = replace(settings, can_create_sessions=(root / _CREATE).is_file())
    declared = _auth_sessions(root)
    if declared and not (settings.has_auth_sessions and settings.can_create_sessions):
        raise AuthorError(
            f"`{_DECLARED}` declares auth sessions: enable them in the settings and write `{_CREATE}`."
        )
    return ProjectFolder(
        settings=settings,
        requirements=_requirements(root, pyproject),
        samples=samples.read(root, body),
        secrets=ProjectSecrets(
            auth_sessions=declared, default_sink=_default_sink(body, source), jobs=_jobs(root)
        ),
        lacks_check=settings.has_auth_sessions and not (root / _CHECK).is_file(),
    )


def _default_sink(body: dict[str, Any], source: str) -> Sink | None:
    """Return the sink of `defaults.sink.deployed`, whose keys stand as they do on the wire."""
    found: Any = body
    for name in ("defaults", "sink", "deployed"):
        found = found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if found is None:
        return None
    try:
        return sinks.parse(found)
    except InvalidSink as error:
        path = ".".join(part for part in ("defaults.sink.deployed", error.path) if part)
        raise AuthorError(f"{source}: `{path}` {error}.") from error


def _auth_sessions(root: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for session_id, file in _declared(root, _DECLARED, "auth-session").items():
        if not is_session_id(session_id):
            raise AuthorError(
                f"`{file.relative_to(root)}`: an id has 1 to 128 letters, digits, `-` or `_`."
            )
        parameters = _jsonc(file).get("parameters", {})
        if not isinstance(parameters, dict):
            raise AuthorError(f"`{file.relative_to(root)}`: `parameters` must be an object.")
        found[session_id] = parameters
    return found


def _jobs(root: Path) -> dict[str, JobPlan]:
    found: dict[str, JobPlan] = {}
    for job_id, file in _declared(root, _DECLARED_JOBS, "job").items():
        name = file.relative_to(root)
        if not is_job_id(job_id):
            raise AuthorError(
                f"`{name}`: an id has 1 to 128 letters, digits, `.`, `_`, `~` or `-`."
            )
        try:
            found[job_id] = job_text.parse(_jsonc(file))
        except InvalidJob as error:
            raise AuthorError(f"`{name}`: `{error.path}` {error}.") from error
    return found


def _declared(root: Path, folder: str, kind: str) -> dict[str, Path]:
    """Return the files below a folder that declare something, by the id that each is named by."""
    found: dict[str, Path] = {}
    for file in sorted((root / folder).rglob(f"*.{kind}.json*")):
        identifier, _, ending = file.name.partition(f".{kind}.")
        if ending not in ("json", "jsonc"):
            continue
        if identifier in found:
            raise AuthorError(
                f"`{file.relative_to(root)}` and `{found[identifier].relative_to(root)}` declare "
                f"`{identifier}` twice."
            )
        found[identifier] = file
    return found


def _toml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AuthorError(f"Cannot read `{file.name}`: {error}") from error


def _jsonc(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(without_comments(file.read_text(encoding="utf-8-sig")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise AuthorError(f"Cannot read `{file.name}`: {error}") from error
    if not isinstance(body, dict):
        raise AuthorError(f"`{file.name}` must hold one object.")
    return body  # pyright: ignore[reportUnknownVariableType]


_JSONC_TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[\]}])', re.DOTALL
)


def without_comments(text: str) -> str:
    """Return JSONC as JSON: comments and trailing commas become blanks, positions stay."""

    def blank(found: re.Match[str]) -> str:
        token = found.group()
        return token if token.startswith('"') else re.sub(r"[^\n]", " ", token)

    return _JSONC_TOKEN.sub(blank, text)


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_SNAKE.sub("_", str(key)).lower(): _snake_keys(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def _settings(body: dict[str, Any], *, kind: str, source: str) -> ProjectSettings:
    reader = _Reader(body, source)
    default_browser = BrowserKind.SHELL if kind == "native" else BrowserKind.CHROMIUM
    headful = reader.boolean("headful", default=False)
    browser = reader.choice("browser", BrowserKind, default_browser)
    timeout = reader.whole("defaults.request_timeout", low=1)
    replication = reader.whole("replication.max_concurrent_requests", low=1)
    older_name = reader.whole("replication.max_count", low=1)
    time_to_live = reader.whole("queue.time_to_live", low=1)
    return ProjectSettings(
        kind=kind,
        max_queued_runs=reader.whole("queue.max_length", low=1),
        queue_time_to_live=None if time_to_live is None else timedelta(seconds=time_to_live),
        is_api_access_enabled=reader.boolean("api_access.enabled", default=True),
        max_concurrent_runs=replication if replication is not None else older_name,
        headful=headful,
        window_width=reader.whole("browser_size.width", low=_WIDTHS[0], high=_WIDTHS[1]) or 1280,
        window_height=reader.whole("browser_size.height", low=_HEIGHTS[0], high=_HEIGHTS[1]) or 800,
        user_agent=reader.text("user_agent"),
        browser=BrowserKind.CHROMIUM if headful else browser,
        isolation=reader.choice("isolation", Isolation, Isolation.MODULE),
        has_auth_sessions=reader.boolean("auth_sessions.enabled", default=False),
        save_session_traces=reader.boolean("auth_sessions.save_traces", default=False),
        session_check_every=float(reader.whole("auth_sessions.check_every", low=0) or 0),
        session_start_url=reader.text("auth_sessions.start_url"),
        session_finish_url=reader.text("auth_sessions.finish_url"),
        default_proxy=reader.text("defaults.proxy"),
        default_maximum_attempts=reader.whole("defaults.retry.maximum_attempts", low=1),
        default_request_timeout=None if timeout is None else timedelta(seconds=timeout),
        unsupported=tuple(
            name
            for name in ("replication.size", "region", "stealth_mode", "captcha_solver")
            if reader.get(name) is not None
        ),
    )


class _Reader:
    """Takes typed values out of a settings table, or says which key of which file is wrong."""

    def __init__(self, body: dict[str, Any], source: str) -> None:
        self._body = body
        self._source = source

    def get(self, path: str) -> Any:
        value: Any = self._body
        for part in path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(part)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return value  # pyright: ignore[reportUnknownVariableType]

    def boolean(self, path: str, *, default: bool) -> bool:
        value = self.get(path)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(path, value, "true or false")
        return value

    def whole(self, path: str, *, low: int, high: int | None = None) -> int | None:
        value = self.get(path)
        if value is None:
            return None
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < low
            or (high and value > high)
        ):
            bounds = f"from {low} to {high}" if high else f"of at least {low}"
            raise self._wrong(path, value, f"a whole number {bounds}")
        return value

    def text(self, path: str) -> str | None:
        value = self.get(path)
        if value is not None and not isinstance(value, str):
            raise self._wrong(path, value, "a text")
        return value or None

    def choice(self, path: str, kind: Any, default: Any) -> Any:
        value = self.get(path)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError as error:
            raise self._wrong(
                path, value, " or ".join(f'"{item.value}"' for item in kind)
            ) from error

    def _wrong(self, path: str, value: object, expected: str) -> AuthorError:
        return AuthorError(f"{self._source}: `{path}` is {value!r}, and must be {expected}.")


def _requirements(root: Path, pyproject: dict[str, Any]) -> Requirements:
    project = _table(pyproject, "project", "pyproject.toml")
    listed: list[str] = list(project.get("dependencies", []))
    plain = root / "requirements.txt"
    if plain.is_file():
        listed += _requirement_lines(plain.read_text(encoding="utf-8"))
    packages = sorted({each.strip() for each in listed if not is_ours(each)})
    return Requirements(python=project.get("requires-python"), packages=tuple(packages))


def _requirement_lines(text: str) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def is_ours(requirement: str) -> bool:
    """Return whether the platform serves the requirement itself, so that it is not installed."""
    found = _REQUIREMENT_NAME.match(requirement)
    return found is not None and re.sub(r"[._-]+", "-", found.group(1)).lower() in _OURS


def _table(parent: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    table = parent.get(name, {})
    if not isinstance(table, dict):
        raise AuthorError(f"{source}: `{name}` must be a table.")
    return table  # pyright: ignore[reportUnknownVariableType]
