"""Work on a project's current Deployment, which may be replaced and pruned while the work is accepted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import asyncpg

from runwright.control.base.platform import Platform
from runwright.domain.projects import Project
from runwright.errors import Conflict
from runwright.storage import projects as rows

_TRIES = 3
_P = ParamSpec("_P")
_R = TypeVar("_R")
_Act = Callable[Concatenate[Platform, Project, _P], Awaitable[_R]]


def on_current(act: _Act[_P, _R]) -> _Act[_P, _R]:
    """Repeat the call on the newly current Deployment if the one it began with has been pruned.

    The decorated function must change nothing outside its own transaction, which the database rejected.

    Raises:
        Conflict: every Deployment it tried had been pruned.
    """

    @wraps(act)
    async def acting(
        platform: Platform, project: Project, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        for _ in range(_TRIES):
            try:
                return await act(platform, project, *args, **kwargs)
            except asyncpg.ForeignKeyViolationError as error:
                if not _names_deployment(error):
                    raise
            project = await rows.get(platform.database, project.id)
        raise Conflict(f"The project `{project.name}` is being deployed: send the request again.")

    return acting


def _names_deployment(error: asyncpg.ForeignKeyViolationError) -> bool:
    constraint: str | None = getattr(error, "constraint_name", None)
    return constraint is not None and constraint.endswith("_deployment_id_fkey")
