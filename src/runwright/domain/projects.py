"""Projects, their Deployments, and the manifests that describe a Deployment's Apis."""

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
"""The sample case from a project's settings that pre-fills the playground."""
_PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class DeploymentStatus(StrEnum):
    """The status of a Deployment; `ready` and `failed` are final."""

    PENDING = "pending"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


class BrowserKind(StrEnum):
    """Which Chromium a project runs in."""

    SHELL = "shell"
    CHROMIUM = "chromium"


class Isolation(StrEnum):
    """What isolates one Attempt from the next on a Runner."""

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
    """JSON Schema of the parameters; None accepts any object."""
    result_schema: dict[str, Any] | None = None
    samples: dict[str, Any] = field(default_factory=dict[str, Any])
    """Sample parameters by case name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSettings:
    """The project's settings file, with our defaults for what it leaves out."""

    kind: str = "native"
    """`native` or `intuned`."""
    is_api_access_enabled: bool = True
    max_concurrent_runs: int | None = None
    """None: the project sets no limit."""
    max_queued_runs: int | None = None
    """Runs that may wait at once; None: the installation's limit."""
    queue_time_to_live: timedelta | None = None
    """Runs that wait longer are canceled; None: the installation's setting."""
    headful: bool = False
    window_width: int = 1280
    window_height: int = 800
    user_agent: str | None = None
    ignore_https_errors: bool = False
    """Accept sites with invalid certificates."""
    browser: BrowserKind = BrowserKind.SHELL
    isolation: Isolation = Isolation.MODULE
    has_auth_sessions: bool = False
    can_create_sessions: bool = False
    """Whether the project has an `auth-sessions/create.py`."""
    save_session_traces: bool = False
    """Traces of checks and creates, which show passwords."""
    session_check_every: float = 0.0
    """Seconds: a check that passed less than this ago is not repeated."""
    session_start_url: str | None = None
    """The URL where a person signs in to record a session."""
    session_finish_url: str | None = None
    """The URL that the person reaches once signed in."""
    default_proxy: str | None = None
    """Only in manifests from before the proxy was sealed."""
    default_maximum_attempts: int | None = None
    default_request_timeout: timedelta | None = None
    unsupported: tuple[str, ...] = ()
    """Settings that have no effect here; reported when deploying."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSecrets:
    """What comes from a project's files but must not appear in its manifest."""

    auth_sessions: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Parameters of the sessions that it declares, by ID."""
    default_sink: Sink | None = None
    """Where outcomes go if the Run names no Sink."""
    proxy: str | None = None
    """The proxy of Runs if neither they nor their session name one."""
    jobs: dict[str, JobPlan] = field(default_factory=dict[str, JobPlan])
    """The Jobs that it declares, by ID."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """The requirements of a project."""

    python: str | None = None
    """A version specifier such as `>=3.12,<3.13`; None means the platform's interpreter."""
    packages: tuple[str, ...] = ()
    """As declared, or as pinned by a lock file; sorted, without credentials."""
    sha256: str | None = None
    """The hash of the requirement files and all they refer to; None if they require nothing, and in older manifests."""
    preferred_python: str | None = None
    """A version specifier used when `python` is None: what the project's format prefers, if available."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The contents of a Deployment."""

    apis: tuple[Api, ...]
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    requirements: Requirements = field(default_factory=Requirements)

    def api(self, name: str) -> Api | None:
        """The Api of that name, or None."""
        return next((api for api in self.apis if api.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The differences between two manifests."""

    added: tuple[str, ...]
    """Names of Apis."""
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """Names of Apis whose parameters or result have a different schema."""
    settings: dict[str, tuple[Any, Any]]
    """Settings that differ: the value before and after."""
    packages: tuple[tuple[str, ...], tuple[str, ...]]
    """Requirements that are only in the first, and only in the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One immutable uploaded version of a Project."""

    id: DeploymentId
    workspace_id: WorkspaceId
    project_id: ProjectId
    number: int
    """Counts from 1 within its Project."""
    bundle_sha256: str
    status: DeploymentStatus
    manifest: Manifest | None
    """Known once `ready`."""
    error: str | None
    """Why it `failed`; written for the author."""
    progress: tuple[str, ...]
    """The build output so far, by line."""
    created_at: datetime
    ended_at: datetime | None
    sealed_sink: bytes | None
    """Where outcomes go if the Run names no Sink."""
    sealed_proxy: bytes | None
    """The proxy of Runs if neither they nor their session name one."""
    fence: int
    """How often a Worker has picked it up: only the last one may record how the build went."""


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
    """An API key without its secret; identifies a caller."""

    id: KeyId
    workspace_id: WorkspaceId
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None

    def allows(self, scope: Scope) -> bool:
        """True when the key covers the scope; `admin` covers all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def difference(before: Manifest, after: Manifest) -> Difference:
    """What changes from one manifest to another."""
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
    """True when the name can be used in URLs and file names unescaped."""
    return _PROJECT_NAME.fullmatch(name) is not None
