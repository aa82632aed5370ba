"""Variables that a workspace or project adds to its Attempts' environment, sealed at rest."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from runwright.control.base.platform import Platform
from runwright.domain.ids import ProjectId, WorkspaceId
from runwright.errors import NotFound, Problem, ValidationError
from runwright.storage import database, variables as rows

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = re.compile(
    r"RUNWRIGHT_.*|PYTHON.*|LD_.*|NODE_.*|PATH|HOME|TMPDIR|FUNCTIONS_DOMAIN"
    r"|INTUNED_(WORKSPACE_ID|PROJECT_ID|AUTH_TOKEN)"
)
_MAX_VALUE_LENGTH = 32_768


async def put(platform: Platform, owner_id: UUID, name: str, value: str) -> None:
    """Set a variable of a workspace or project; its value is never shown again.

    Raises:
        ValidationError: the name is invalid or reserved, or the value is too long.
    """
    if _NAME.fullmatch(name) is None or _RESERVED.fullmatch(name):
        message = "must be letters, digits and `_`, not start with a digit, and not be reserved for the platform"
        raise ValidationError([Problem(path="name", message=message)])
    if len(value) > _MAX_VALUE_LENGTH or "\0" in value:
        message = f"must have at most {_MAX_VALUE_LENGTH} characters and no NUL"
        raise ValidationError([Problem(path="value", message=message)])
    sealed = platform.vault.seal(value.encode(), record=_record(owner_id, name))
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.put(connection, owner_id, name, sealed)


async def forget(platform: Platform, owner_id: UUID, name: str) -> None:
    """Unset a variable.

    Raises:
        NotFound: it is not set.
    """
    async with platform.database.acquire() as connection, database.transaction(connection):
        is_there = "\0" not in name and await rows.forget(connection, owner_id, name)
    if not is_there:
        raise NotFound(f"There is no variable `{name[:128]}` here.")


async def names(platform: Platform, owner_id: UUID) -> list[tuple[str, datetime]]:
    """The variables that are set, and when, sorted by name."""
    return [(row.name, row.updated_at) for row in await rows.list_all(platform.database, owner_id)]


async def environment(
    platform: Platform, workspace_id: WorkspaceId, project_id: ProjectId
) -> dict[str, str]:
    """The environment of the project's Attempts: the workspace's variables, overridden by the project's."""
    found: dict[str, str] = {}
    for owner_id in (workspace_id, project_id):
        for row in await rows.list_all(platform.database, owner_id):
            opened = platform.vault.open(row.sealed_value, record=_record(owner_id, row.name))
            found[row.name] = opened.decode()
    return found


def _record(owner_id: UUID, name: str) -> str:
    return f"variable:{owner_id}:{name}"
