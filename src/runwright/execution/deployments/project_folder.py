"""Reads an unpacked project's own settings and requirements, without running any of its code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runwright.domain.auth_sessions import is_session_id
from runwright.domain.deliveries import sinks
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.jobs import job_text
from runwright.domain.jobs.jobs import JobPlan, is_job_id
from runwright.domain.projects import ProjectSecrets, ProjectSettings
from runwright.domain.text.fields import InvalidFields
from runwright.errors import AuthorError
from runwright.execution.deployments import (
    jsonc,
    project_toml,
    requirement_files,
    sample_parameters,
)
from runwright.execution.deployments.project_settings import SettingsTable
from runwright.execution.deployments.requirement_files import RequirementFiles

_CREATE, _CHECK = "auth-sessions/create.py", "auth-sessions/check.py"
_DECLARED = "intuned-resources/auth-sessions"
_DECLARED_JOBS = "intuned-resources/jobs"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFolder:
    """What a project's files declare."""

    settings: ProjectSettings
    requirements: RequirementFiles
    sample_parameters: dict[str, dict[str, Any]]
    """Sample parameters by Api and case."""
    secrets: ProjectSecrets
    dev_proxy: str | None
    """The proxy for `runwright dev`."""
    lacks_check: bool
    """AuthSessions are enabled, but there is no `check`."""


def read(root: Path, deployed: Iterable[Path] | None = None) -> ProjectFolder:
    """Read a project's folder; `deployed` as in `requirement_files.read`.

    Raises:
        AuthorError: a settings file cannot be parsed or has an invalid value; names the file and the key.
    """
    pyproject = project_toml.toml(root / "pyproject.toml")
    intuned = next(
        (root / name for name in ("Intuned.jsonc", "Intuned.json") if (root / name).is_file()), None
    )
    if intuned is not None:
        body, source = jsonc.read(intuned), intuned.name
        table = SettingsTable(body, source, is_native=False)
    else:
        tool = project_toml.table(pyproject, "tool", "pyproject.toml")
        body = project_toml.table(tool, "runwright", "pyproject.toml [tool]")
        source = "pyproject.toml [tool.runwright]"
        table = SettingsTable(body, source, is_native=True)
    settings = table.settings()
    if not (root / "api").is_dir():
        raise AuthorError(
            "The project has no `api` folder: create it; each file in it becomes one API."
        )
    settings = replace(settings, can_create_sessions=(root / _CREATE).is_file())
    declared = _auth_sessions(root)
    if declared and not (settings.has_auth_sessions and settings.can_create_sessions):
        raise AuthorError(
            f"`{_DECLARED}` declares auth sessions: enable them in the settings and write `{_CREATE}`."
        )
    return ProjectFolder(
        settings=settings,
        requirements=requirement_files.read(root, deployed),
        sample_parameters=sample_parameters.read(root, body),
        secrets=ProjectSecrets(
            auth_sessions=declared,
            default_sink=_default_sink(body, source),
            proxy=table.proxy("proxy.deployed", "defaults.proxy"),
            jobs=_jobs(root),
        ),
        dev_proxy=table.proxy("proxy.dev", "defaults.proxy"),
        lacks_check=settings.has_auth_sessions and not (root / _CHECK).is_file(),
    )


def _default_sink(body: dict[str, Any], source: str) -> Sink | None:
    """The Sink in `defaults.sink.deployed`, whose keys are spelled as on the wire."""
    found: Any = body
    for name in ("defaults", "sink", "deployed"):
        found = found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if found is None:
        return None
    try:
        return sinks.parse(found)
    except InvalidFields as error:
        raise AuthorError(f"{source}: {error.below('defaults.sink.deployed')}.") from error


def _auth_sessions(root: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for session_id, file in _declared(root, _DECLARED, "auth-session").items():
        if not is_session_id(session_id):
            raise AuthorError(
                f"`{file.relative_to(root)}`: an id must consist of 1 to 128 letters, digits, `-` or `_`."
            )
        parameters = jsonc.read(file).get("parameters", {})
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
                f"`{name}`: an id must consist of 1 to 128 letters, digits, `.`, `_`, `~` or `-`."
            )
        try:
            found[job_id] = job_text.parse(jsonc.read(file))
        except InvalidFields as error:
            raise AuthorError(f"`{name}`: {error}.") from error
    return found


def _declared(root: Path, folder: str, kind: str) -> dict[str, Path]:
    """The declaration files below a folder, by the id in their name."""
    found: dict[str, Path] = {}
    for file in sorted((root / folder).rglob(f"*.{kind}.json*")):
        identifier, _, ending = file.name.partition(f".{kind}.")
        if ending not in ("json", "jsonc"):
            continue
        if identifier in found:
            raise AuthorError(
                f"`{file.relative_to(root)}` and `{found[identifier].relative_to(root)}` both declare "
                f"`{identifier}`."
            )
        found[identifier] = file
    return found
