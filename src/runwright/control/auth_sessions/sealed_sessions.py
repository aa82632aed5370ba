"""The secrets of AuthSessions: parameters, states and proxies, each sealed for its own session."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from runwright.control.base.platform import Platform
from runwright.domain.auth_sessions import (
    AuthSession,
    AuthState,
    SessionPlan,
)
from runwright.domain.ids import ProjectId, RunId
from runwright.errors import (
    TooLarge,
)
from runwright.storage import (
    auth_sessions as rows,
)
from runwright.storage.auth_sessions import SessionRow
from runwright.storage.runs import RunRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A session with its secrets opened, for running its checks and creates."""

    session: AuthSession
    generation: int
    input_digest: str | None
    parameters: dict[str, Any] | None
    state: AuthState | None
    proxy: str | None


async def open_session(platform: Platform, project_id: ProjectId, session_id: str) -> Opened | None:
    """A session with its secrets, or None when it has been deleted."""
    row = await rows.get(platform.database, project_id, session_id)
    return None if row is None else open_row(platform, row)


def open_row(platform: Platform, row: SessionRow) -> Opened:
    """A session with its secrets."""
    project_id, session_id = row.session.project_id, row.session.id

    def opened(part: str, sealed: bytes | None) -> Any:
        if sealed is None:
            return None
        return json.loads(platform.vault.open(sealed, record=_record(project_id, session_id, part)))

    return Opened(
        session=row.session,
        generation=row.generation,
        input_digest=row.input_digest,
        parameters=opened("parameters", row.sealed_parameters),
        state=opened("state", row.sealed_state),
        proxy=opened("proxy", row.sealed_proxy),
    )


def seal_state(
    platform: Platform, project_id: ProjectId, session_id: str, state: AuthState
) -> bytes:
    """Seal a state for its session.

    Raises:
        TooLarge: the state is larger than allowed.
    """
    text = json.dumps(state, separators=(",", ":"))
    limit = platform.settings.max_auth_state_bytes
    if len(text) > limit:
        raise TooLarge(
            f"The state of the auth session `{session_id}` has {len(text)} bytes; {limit} are kept."
        )
    return platform.vault.seal(text.encode(), record=_record(project_id, session_id, "state"))


def seal_parameters(
    platform: Platform, project_id: ProjectId, session_id: str, value: dict[str, Any] | None
) -> bytes | None:
    """Seal parameters for their session."""
    return _seal(platform, project_id, session_id, "parameters", value)


def seal_proxy(
    platform: Platform, project_id: ProjectId, session_id: str, value: str | None
) -> bytes | None:
    """Seal a proxy for its session."""
    return _seal(platform, project_id, session_id, "proxy", value)


def seal_input(platform: Platform, project_id: ProjectId, plan: SessionPlan) -> dict[str, Any]:
    """The fields of a `NewSession` for its parameters and proxy, sealed."""
    parameters = plan.parameters or {}
    return {
        "input_digest": digest(platform, project_id, parameters),
        "sealed_parameters": seal_parameters(platform, project_id, plan.id, parameters),
        "sealed_proxy": seal_proxy(platform, project_id, plan.id, plan.proxy),
    }


def digest(platform: Platform, project_id: ProjectId, parameters: dict[str, Any]) -> str:
    """A keyed digest that tells whether parameters are equal, and reveals nothing else."""
    return platform.vault.sign(f"input:{project_id}:{json.dumps(parameters, sort_keys=True)}")


def is_digest(
    platform: Platform, project_id: ProjectId, parameters: dict[str, Any], known: str | None
) -> bool:
    """True when the digest is that of the parameters, under the current key or a rotated one."""
    text = f"input:{project_id}:{json.dumps(parameters, sort_keys=True)}"
    return known is not None and platform.vault.is_signed(text, known)


def seal_plan(platform: Platform, run_id: RunId, plan: SessionPlan | None) -> bytes | None:
    """Seal the secrets of a Run's or operation's plan."""
    if plan is None or (plan.proxy is None and plan.parameters is None):
        return None
    text = json.dumps({"proxy": plan.proxy, "parameters": plan.parameters})
    return platform.vault.seal(text.encode(), record=f"run-session:{run_id}")


def open_plan(platform: Platform, row: RunRow) -> SessionPlan | None:
    """The plan of a Run or operation with its secrets."""
    if row.session is None or row.sealed_session is None:
        return row.session
    text = platform.vault.open(row.sealed_session, record=f"run-session:{row.run.id}")
    secret: dict[str, Any] = json.loads(text)
    return replace(row.session, proxy=secret["proxy"], parameters=secret["parameters"])


def _seal(
    platform: Platform, project_id: ProjectId, session_id: str, part: str, value: Any
) -> bytes | None:
    """Seal a secret of a session for that session; None stays None."""
    if value is None:
        return None
    record = _record(project_id, session_id, part)
    return platform.vault.seal(json.dumps(value).encode(), record=record)


def _record(project_id: ProjectId, session_id: str, part: str) -> str:
    return f"auth-session:{project_id}/{session_id}:{part}"
