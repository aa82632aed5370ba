"""Projects, their Deployments, and what a manifest says of the Apis in one."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from runwright.domain.deliveries.sinks import Sink
from runwright.domain.ids import DeploymentId, KeyId, ProjectId, WorkspaceId
from runwright.domain.jobs.jobs import JobPlan

PLAYGROUND_SAMPLE = "playground"
"""The case that a project's settings pre-fill a playground with."""
_PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class DeploymentStatus(StrEnum):
    """Where a Deployment stands; `ready` and `failed` are final."""

    PENDING = "pending"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


class BrowserKind(StrEnum):
    """Which Chromium a project runs in."""

    SHELL = "shell"
    CHROMIUM = "chromium"


class Isolation(StrEnum):
    """What separates one Attempt from the next on a Runner."""

    MODULE = "module"
    PROCESS = "process"


class Scope(StrEnum):
    """What an API key may do."""

    READ = "read"
    RUN = "run"
    DEPLOY = "deploy"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """One automation of a Deployment."""

    name: str
    """The file's path under `api/`, without `.py`: `a/b`."""
    description: str | None = None
    """The first line of the function's docstring."""
    parameters_schema: dict[str, Any] | None = None
    """JSON Schema of the parameters; None takes any object."""
    result_schema: dict[str, Any] | None = None
    samples: dict[str, Any] = field(default_factory=dict[str, Any])
    """Sample parameters by the name of their case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSettings:
    """What the project's own settings file says, with our defaults where it is silent."""

    kind: str = "native"
    """`native` or `intuned`."""
    is_api_access_enabled: bool = True
    max_concurrent_runs: int | None = None
    """None: no limit of its own."""
    max_queued_runs: int | None = None
    """Runs that may wait at once; None: as many as the installation allows."""
    queue_time_to_live: timedelta | None = None
    """Runs that wait longer are canceled; None: as the installation says."""
    headful: bool = False
    window_width: int = 1280
    window_height: int = 800
    user_agent: str | None = None
    ignore_https_errors: bool = False
    """Sites may have certificates that nobody vouches for."""
    browser: BrowserKind = BrowserKind.SHELL
    isolation: Isolation = Isolation.MODULE
    has_auth_sessions: bool = False
    can_create_sessions: bool = False
    """Whether there is an `auth-sessions/create.py`."""
    save_session_traces: bool = False
    """Of checks and creates, which show passwords."""
    session_check_every: float = 0.0
    """Seconds: a check that passed less than this ago is not repeated."""
    session_start_url: str | None = None
    """Where a person signs in, who records a session."""
    session_finish_url: str | None = None
    """Where the person is once signed in."""
    default_proxy: str | None = None
    """Of manifests that were made before it was sealed."""
    default_maximum_attempts: int | None = None
    default_request_timeout: timedelta | None = None
    unsupported: tuple[str, ...] = ()
    """Settings that were given and mean nothing here, told to who deploys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSecrets:
    """What of a project's own files must not stand in its manifest."""

    auth_sessions: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Parameters of the sessions that it declares, by id."""
    default_sink: Sink | None = None
    """Where outcomes go of Runs that do not say."""
    proxy: str | None = None
    """What Runs go through where neither they nor their session name a proxy."""
    jobs: dict[str, JobPlan] = field(default_factory=dict[str, JobPlan])
    """The Jobs that it declares, by id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """What a project requires."""

    python: str | None = None
    """A version specifier such as `>=3.12,<3.13`; None takes the platform's interpreter."""
    packages: tuple[str, ...] = ()
    """As they are required, or as a lock pins them, sorted, without credentials."""
    sha256: str | None = None
    """Of the files that say it and all that they refer to; None where they ask for nothing, and in manifests of earlier versions."""
    preferred_python: str | None = None
    """A version specifier, where `python` is None: what the project's format wants if the machine has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a Deployment holds."""

    apis: tuple[Api, ...]
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    requirements: Requirements = field(default_factory=Requirements)

    def api(self, name: str) -> Api | None:
        """Return the Api of that name."""
        return next((api for api in self.apis if api.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What one manifest has that another has not."""

    added: tuple[str, ...]
    """Apis, by name."""
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """Apis whose parameters or result have another schema."""
    settings: dict[str, tuple[Any, Any]]
    """Settings that differ, before and after, as texts or plain values."""
    packages: tuple[tuple[str, ...], tuple[str, ...]]
    """Requirements that only the one, and only the other, has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One immutable uploaded version of a Project."""

    id: DeploymentId
    workspace_id: WorkspaceId
    project_id: ProjectId
    number: int
    """Counted from 1 in its Project."""
    bundle_sha256: str
    status: DeploymentStatus
    manifest: Manifest | None
    """Known once `ready`."""
    error: str | None
    """Why it `failed`: what the author must read."""
    progress: tuple[str, ...]
    """What building has said so far, a line each."""
    created_at: datetime
    ended_at: datetime | None
    sealed_sink: bytes | None
    """Where the outcomes of its Runs go that do not say."""
    sealed_proxy: bytes | None
    """What its Runs go through where neither they nor their session name a proxy."""
    fence: int
    """How often a Worker has taken it up: only the last one says how building it went."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A named set of automations."""

    id: ProjectId
    workspace_id: WorkspaceId
    name: str
    current: Deployment | None
    created_at: datetime

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of the current Deployment; None when nothing is deployed."""
        return None if self.current is None else self.current.manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """Who calls: a key without its secret."""

    id: KeyId
    workspace_id: WorkspaceId
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None

    def allows(self, scope: Scope) -> bool:
        """Return whether the key covers the scope; `admin` covers all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def difference(before: Manifest, after: Manifest) -> Difference:
    """Return what changes from one manifest to another."""
    old = {api.name: api for api in before.apis}
    new = {api.name: api for api in after.apis}
    pairs = {
        item.name: (getattr(before.settings, item.name), getattr(after.settings, item.name))
        for item in dataclasses.fields(ProjectSettings)
    }
    was, now = set(before.requirements.packages), set(after.requirements.packages)
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(
            name
            for name in sorted(old.keys() & new.keys())
            if (old[name].parameters_schema, old[name].result_schema)
            != (new[name].parameters_schema, new[name].result_schema)
        ),
        settings={name: (one, two) for name, (one, two) in pairs.items() if one != two},
        packages=(tuple(sorted(was - now)), tuple(sorted(now - was))),
    )


def is_project_name(name: str) -> bool:
    """Return whether the name can stand in a URL and a file name as it is."""
    return _PROJECT_NAME.fullmatch(name) is not None
