"""The signed-in user: the session in the cookie, its API key, and what the key allows."""

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
    """Not signed in, or the session has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A signed-in person, for one request."""

    platform: Platform
    key: ApiKey
    secret: str
    """Secret of the dashboard session, as stored in its cookie."""
    request: Request

    @property
    def workspace_id(self) -> WorkspaceId:
        """The workspace being shown."""
        return self.key.workspace_id

    @property
    def can_run(self) -> bool:
        """May start and cancel Runs."""
        return self.key.allows(Scope.RUN)

    @property
    def can_deploy(self) -> bool:
        """May change Deployments and variables."""
        return self.key.allows(Scope.DEPLOY)

    @property
    def is_admin(self) -> bool:
        """May create and revoke keys."""
        return self.key.allows(Scope.ADMIN)

    async def project(self, name: str) -> Project:
        """Find a project of the workspace."""
        return await projects.find(self.platform, self.workspace_id, name)

    async def is_signed_in(self) -> bool:
        """True while the session and its key are valid; for long-lived responses."""
        return await dashboard_sessions.find(self.platform, self.secret) is not None


async def find(request: Request) -> User | None:
    """Find the signed-in user, if any."""
    platform: Platform = request.app.state.platform
    found = await find_key(request)
    if found is None:
        return None
    key, secret = found
    return User(platform=platform, key=key, secret=secret, request=request)


async def find_key(connection: HTTPConnection) -> tuple[ApiKey, str] | None:
    """Find the key and session secret of a request or WebSocket."""
    secret = connection.cookies.get(cookie_name(connection))
    key = await dashboard_sessions.find(connection.app.state.platform, secret) if secret else None
    return None if key is None or not secret else (key, secret)


def cookie_name(request: HTTPConnection) -> str:
    """Name of the session cookie; it has the port, since browsers share cookies between ports."""
    return _COOKIE if request.url.port is None else f"{_COOKIE}_{request.url.port}"


def mount(request: Request) -> str:
    """Path prefix of the dashboard as seen from outside; empty at the root."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def theme(request: Request) -> str:
    """The color theme chosen by the user."""
    wanted = request.cookies.get(_THEME_COOKIE, "auto")
    return wanted if wanted in THEMES else "auto"


def _may(scope: Scope) -> Callable[[Request], Awaitable[User]]:
    """Dependency that yields the user if their key has the scope.

    It raises NotSignedIn without a session, Forbidden if the key lacks the scope.
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
