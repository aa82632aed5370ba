"""The environment variables of authors' code: the platform's URL and ids, and the project's own variables."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.control.projects import variables
from runwright.control.runs import author_calls
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain.ids import ProjectId, WorkspaceId

_KEPT = 200


class AuthorEnvironment:
    """Reads variables, and caches them by version."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._known: dict[tuple[ProjectId, int], dict[str, str]] = {}

    async def of_project(self, workspace_id: WorkspaceId, project_id: ProjectId) -> dict[str, str]:
        """The project's current variables, plus the platform's own.

        Waits while the database is down: otherwise the Runner would fail to start, and the Attempt with it.
        """
        found = await patiently(
            lambda: variables.environment(self._platform, workspace_id, project_id)
        )
        url = self._platform.settings.url
        return {
            **found,
            **({"FUNCTIONS_DOMAIN": url} if url else {}),
            "INTUNED_WORKSPACE_ID": str(workspace_id),
            "INTUNED_PROJECT_ID": str(project_id),
        }

    async def of_attempt(self, claim: Claim) -> dict[str, str]:
        """The variables as of the Attempt's claim."""
        key = (claim.project_id, claim.variables_version)
        known = self._known.get(key)
        if known is None:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            known = await self.of_project(claim.workspace_id, claim.project_id)
            self._known[key] = known
        return known

    def token(self, claim: Claim) -> dict[str, str]:
        """The variable that holds the Attempt's token."""
        return {"INTUNED_AUTH_TOKEN": author_calls.token(self._platform, claim)}
