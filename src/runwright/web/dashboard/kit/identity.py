"""Who looks at the dashboard: the visit in the cookie, its key, and what that key may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.requests import HTTPConnection

from runwright.control.access import dashboard_sessions
from runwright.control.base.platform import Platform
from runwright.control.projects import projects
from runwright.domain.ids import WorkspaceId
from runwright.domain.projects import ApiKey, Project, Scope
from runwright.errors import Forbidden, Unauthorized

_COOKIE = "runwright_session"
_THEME_COOKIE = "runwright_theme"
THEMES = ("auto", "light", "dark")


class NotSignedIn(Unauthorized):
    """Nobody is signed in, or no longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A person who is signed in, for one request."""

    platform: Platform
    key: ApiKey
    secret: str
    """Of the visit, as its cookie holds it."""
    request: Request

    @property
    def workspace_id(self) -> WorkspaceId:
        """Return the workspace whose things are shown."""
        return self.key.workspace_id

    @property
    def can_run(self) -> bool:
        """Return whether Runs may be started and cancelled."""
        return self.key.allows(Scope.RUN)

    @property
    def can_deploy(self) -> bool:
        """Return whether Deployments and variables may be changed."""
        return self.key.allows(Scope.DEPLOY)

    @property
    def is_admin(self) -> bool:
        """Return whether keys may be made and revoked."""
        return self.key.allows(Scope.ADMIN)

    async def project(self, name: str) -> Project:
        """Return a project of the workspace."""
        return await projects.find(self.platform, self.workspace_id, name)

    async def is_signed_in(self) -> bool:
        """Return whether the visit and its key are still good, for what goes on for long."""
        return await dashboard_sessions.find(self.platform, self.secret) is not None


async def find(request: Request) -> User | None:
    """Return who is signed in, if anyone."""
    platform: Platform = request.app.state.platform
    found = await find_key(request)
    if found is None:
        return None
    key, secret = found
    return User(platform=platform, key=key, secret=secret, request=request)


async def find_key(connection: HTTPConnection) -> tuple[ApiKey, str] | None:
    """Return the key and the visit's secret of who is signed in, also of a WebSocket."""
    secret = connection.cookies.get(cookie_name(connection))
    key = await dashboard_sessions.find(connection.app.state.platform, secret) if secret else None
    return None if key is None or not secret else (key, secret)


def cookie_name(request: HTTPConnection) -> str:
    """Return the name of the visit's cookie: browsers do not keep those of two ports apart."""
    return _COOKIE if request.url.port is None else f"{_COOKIE}_{request.url.port}"


def mount(request: Request) -> str:
    """Return the path below which the dashboard is seen from outside; empty at an origin's root."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def theme(request: Request) -> str:
    """Return which colours the person wants."""
    wanted = request.cookies.get(_THEME_COOKIE, "auto")
    return wanted if wanted in THEMES else "auto"


def _may(scope: Scope) -> Callable[[Request], Awaitable[User]]:
    """Return a dependency that gives the user whose key has the scope.

    It raises NotSignedIn without a visit, Forbidden for a key without the scope.
    """

    async def user(request: Request) -> User:
        found = await find(request)
        if found is None:
            raise NotSignedIn
        if not (found.key.allows(scope) or (scope is Scope.READ and found.can_run)):
            raise Forbidden(
                f"You are signed in with the key `{found.key.name}`, which lacks the scope "
                f"`{scope.value}`."
            )
        return found

    return user


reader = _may(Scope.READ)
Reader = Annotated[User, Depends(reader)]
Operator = Annotated[User, Depends(_may(Scope.RUN))]
Deployer = Annotated[User, Depends(_may(Scope.DEPLOY))]
Admin = Annotated[User, Depends(_may(Scope.ADMIN))]
