"""What authors' code sees in its environment: where the platform is, and its project's variables."""

from __future__ import annotations

from runwright.control.base.platform import Platform
from runwright.control.projects import variables
from runwright.control.runs import author_calls
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain.ids import ProjectId, WorkspaceId

_KEPT = 200


class AuthorEnvironment:
    """Reads variables, and remembers them for as long as their version is the same."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._known: dict[tuple[ProjectId, int], dict[str, str]] = {}

    async def of_project(self, workspace_id: WorkspaceId, project_id: ProjectId) -> dict[str, str]:
        """Return the variables as they are now, with where the platform is.

        A database that is away is waited for: a Runner that could not start fails who waits for it.
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
        """Return the variables as they were when the Attempt was claimed."""
        key = (claim.project_id, claim.variables_version)
        known = self._known.get(key)
        if known is None:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            known = await self.of_project(claim.workspace_id, claim.project_id)
            self._known[key] = known
        return known

    def token(self, claim: Claim) -> dict[str, str]:
        """Return the variable that holds the Attempt's own token."""
        return {"INTUNED_AUTH_TOKEN": author_calls.token(self._platform, claim)}
