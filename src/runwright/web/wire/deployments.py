"""Bodies of projects, Deployments and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain import projects as domain
from runwright.domain.projects import DeploymentStatus, Scope
from runwright.errors import Problem, ValidationError
from runwright.web.wire.common import Body, parse, time_text, time_text_or_none


class KeyBody(Body):
    """A new API key."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["admin"])


class ApiBody(TypedDict):
    """One automation of a Deployment."""

    name: str
    description: str | None
    parametersSchema: dict[str, Any] | None
    resultSchema: dict[str, Any] | None
    samples: dict[str, Any]


class DeploymentBody(TypedDict):
    """A Deployment."""

    id: str
    number: int
    status: DeploymentStatus
    progress: list[str]
    """What the build has reported so far."""
    error: str | None
    apis: list[ApiBody]
    createdAt: str
    endedAt: str | None


class DeploymentAnswer(TypedDict):
    """One Deployment."""

    deployment: DeploymentBody


class DeploymentsAnswer(TypedDict):
    """All Deployments of a project, newest first."""

    deployments: list[DeploymentBody]
    current: str | None
    """Id of the Deployment that new Runs execute."""


class ProjectBody(TypedDict):
    """A project with its current Deployment."""

    id: str
    name: str
    createdAt: str
    deployment: DeploymentBody | None


class ProjectsAnswer(TypedDict):
    """The projects of a workspace."""

    projects: list[ProjectBody]


class DifferenceAnswer(TypedDict):
    """What a Deployment would change compared with the current one."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    settings: dict[str, list[str]]
    """Each setting before and after."""
    packagesRemoved: list[str]
    packagesAdded: list[str]


class VariableBody(Body):
    """A variable's new value."""

    value: str


class Variable(TypedDict):
    """A variable that is set; its value is never shown."""

    name: str
    updatedAt: str


class VariablesAnswer(TypedDict):
    """The variables of a workspace or project."""

    variables: list[Variable]


class Key(TypedDict):
    """An API key without its secret."""

    id: str
    name: str
    scopes: list[str]
    createdAt: str
    revokedAt: str | None


class KeysAnswer(TypedDict):
    """The keys of a workspace."""

    keys: list[Key]


class NewKeyAnswer(Key):
    """A key with its secret, which is shown only once."""

    key: str


class RotationAnswer(TypedDict):
    """The result of resealing secrets with a new key."""

    resealed: int
    """Number of values."""


def parse_key(value: Any) -> tuple[str, frozenset[Scope]]:
    """The name and scopes of a new key.

    Raises:
        ValidationError: names each invalid field.
    """
    body = parse(KeyBody, value)
    unknown = [scope for scope in body.scopes if scope not in set(Scope)]
    if unknown:
        known = ", ".join(f"`{scope.value}`" for scope in Scope)
        raise ValidationError(
            [Problem(path="scopes", message=f"has no scope {unknown[0]!r}; use {known}")]
        )
    return body.name, frozenset(Scope(scope) for scope in body.scopes)


def deployment(value: domain.Deployment) -> DeploymentBody:
    """The body of a Deployment."""
    apis = () if value.manifest is None else value.manifest.apis
    return {
        "id": str(value.id),
        "number": value.number,
        "status": value.status,
        "progress": list(value.progress),
        "error": value.error,
        "apis": [_api(each) for each in apis],
        "createdAt": time_text(value.created_at),
        "endedAt": time_text_or_none(value.ended_at),
    }


def difference(value: domain.Difference) -> DifferenceAnswer:
    """The body of a comparison."""
    return {
        "added": list(value.added),
        "removed": list(value.removed),
        "changed": list(value.changed),
        "settings": {name: [str(one), str(two)] for name, (one, two) in value.settings.items()},
        "packagesRemoved": list(value.packages[0]),
        "packagesAdded": list(value.packages[1]),
    }


def variables(values: list[tuple[str, datetime]]) -> VariablesAnswer:
    """The body of a list of variables."""
    return {"variables": [{"name": name, "updatedAt": time_text(at)} for name, at in values]}


def parse_variable(value: Any) -> str:
    """The value in a body.

    Raises:
        ValidationError: the value is missing or not a string.
    """
    return parse(VariableBody, value).value


def project(value: domain.Project) -> ProjectBody:
    """The body of a project."""
    return {
        "id": str(value.id),
        "name": value.name,
        "createdAt": time_text(value.created_at),
        "deployment": None if value.current is None else deployment(value.current),
    }


def key(value: domain.ApiKey) -> Key:
    """The body of an API key, without its secret."""
    return {
        "id": value.id,
        "name": value.name,
        "scopes": sorted(value.scopes),
        "createdAt": time_text(value.created_at),
        "revokedAt": time_text_or_none(value.revoked_at),
    }


def new_key(value: domain.ApiKey, secret: str) -> NewKeyAnswer:
    """The body of a new key, with its secret."""
    return {**key(value), "key": secret}


def _api(api: domain.Api) -> ApiBody:
    return {
        "name": api.name,
        "description": api.description,
        "parametersSchema": api.parameters_schema,
        "resultSchema": api.result_schema,
        "samples": api.samples,
    }
