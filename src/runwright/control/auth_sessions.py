"""AuthSessions: making, changing, checking and forgetting them. What callers and deploying ask for.

An operation is a Run of its own kind, so that it is accepted, queued, claimed under a fence, picked
up again and cancelled like any other. While it is not over its row is the session's lock.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import asyncpg

from runwright.adapters import engine, signals
from runwright.control import queues
from runwright.control.platform import Platform
from runwright.domain.auth_sessions import (
    AuthSession,
    AuthState,
    SessionOperation,
    SessionPlan,
    SessionSource,
    SessionStatus,
    SessionType,
    is_session_id,
)
from runwright.domain.ids import DeploymentId, ProjectId, RunId, WorkspaceId, new_run_id
from runwright.domain.projects import Project
from runwright.domain.runs import Cancellation, Run, RunKind, RunPlan
from runwright.errors import (
    CancelReason,
    Conflict,
    NotFound,
    Problem,
    SessionInUse,
    TooLarge,
    ValidationError,
)
from runwright.storage import auth_sessions as rows, database, runs as run_rows
from runwright.storage.auth_sessions import NewSession, SessionRow
from runwright.storage.runs import RunRow

_LOOK_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A session with its secrets opened, for who carries out its checks and creates."""

    session: AuthSession
    generation: int
    input_digest: str | None
    parameters: dict[str, Any] | None
    state: AuthState | None
    proxy: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Deployed:
    """What an operation is carried out with."""

    workspace_id: WorkspaceId
    project_id: ProjectId
    deployment_id: DeploymentId


async def list_all(platform: Platform, project_id: ProjectId) -> list[AuthSession]:
    """Return the sessions of a project, by id."""
    return await rows.list_all(platform.database, project_id)


async def get(platform: Platform, project_id: ProjectId, session_id: str) -> AuthSession:
    """Return one session.

    Raises:
        NotFound: the project has no such session.
    """
    return (await _row(platform, project_id, session_id)).session


async def create(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept a new CREDENTIALS session: it is PENDING until its first create has ended.

    Raises:
        ValidationError: the project has no sessions that can be made from parameters.
        Conflict: a session of that id exists.
        SessionInUse: it is just being made.
    """
    deployed = _deployed(project, needs_create=True)
    _check_id(plan.id)
    new = NewSession(
        project_id=project.id,
        id=plan.id,
        type=SessionType.CREDENTIALS,
        status=SessionStatus.PENDING,
        **_sealed_input(platform, project.id, plan),
    )
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.insert(connection, new):
            known = await rows.lock(connection, project.id, plan.id)
            if known is not None and known.session.status is SessionStatus.PENDING:
                raise _in_use(plan.id)
            raise Conflict(
                f"There is an auth session `{plan.id}` already: update it, or choose another id."
            )
        return await _begin(platform, connection, deployed, plan)


async def update(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept new parameters of a session: they replace the old ones once they have been proved good.

    Raises:
        NotFound: the project has no such session.
        ValidationError: it was not made from parameters.
        Conflict: it is declared by the project's code.
        SessionInUse: another operation is under way.
    """
    deployed = _deployed(project, needs_create=True)
    known = (await _row(platform, project.id, plan.id)).session
    if known.type is not SessionType.CREDENTIALS:
        message = f"is of a {known.type.value} session, which keeps no parameters to update"
        raise ValidationError([Problem(path="parameters", message=message)])
    if known.source is SessionSource.CODE:
        raise Conflict(
            f"The auth session `{plan.id}` is declared by the project's code: change it there and deploy."
        )
    async with platform.database.acquire() as connection, database.transaction(connection):
        return await _begin(platform, connection, deployed, plan)


async def validate(platform: Platform, project: Project, plan: SessionPlan) -> Run:
    """Accept a check of a session, and its repair if the plan allows.

    Raises:
        NotFound: the project has no such session.
        SessionInUse: another operation is under way.
    """
    deployed = _deployed(project, needs_create=False)
    await _row(platform, project.id, plan.id)
    async with platform.database.acquire() as connection, database.transaction(connection):
        return await _begin(platform, connection, deployed, plan)


async def upload(
    platform: Platform, project: Project, session_id: str, state: AuthState, proxy: str | None
) -> AuthSession:
    """Make a RECORDER session from a state that was brought, or replace the state of one.

    Raises:
        ValidationError: the project has no sessions.
        Conflict: a session of that id exists and was made otherwise.
        TooLarge: the state is larger than allowed.
    """
    _deployed(project, needs_create=False)
    _check_id(session_id)
    sealed = seal_state(platform, project.id, session_id, state)
    new = NewSession(
        project_id=project.id,
        id=session_id,
        type=SessionType.RECORDER,
        status=SessionStatus.READY,
        sealed_state=sealed,
        sealed_proxy=_seal(platform, project.id, session_id, "proxy", proxy),
    )
    async with platform.database.acquire() as connection, database.transaction(connection):
        if not await rows.insert(connection, new):
            known = await rows.lock(connection, project.id, session_id)
            if known is None or known.session.type is not SessionType.RECORDER:
                raise Conflict(f"There is an auth session `{session_id}` already, made otherwise.")
            if await run_rows.active_operation(connection, project.id, session_id):
                raise _in_use(session_id)
            await rows.renew(
                connection,
                project.id,
                session_id,
                sealed_state=sealed,
                input_digest=None,
                sealed_parameters=None,
                sealed_proxy=new.sealed_proxy,
            )
    return await get(platform, project.id, session_id)


async def delete(platform: Platform, project_id: ProjectId, session_id: str) -> None:
    """Forget a session; what is under way for it is canceled.

    Raises:
        NotFound: the project has no such session.
        Conflict: it is declared by the project's code.
    """
    known = (await _row(platform, project_id, session_id)).session
    if known.source is SessionSource.CODE:
        raise Conflict(
            f"The auth session `{session_id}` is declared by the project's code: remove it there and deploy."
        )
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.lock(connection, project_id, session_id)
        await _forget(connection, project_id, session_id)


async def wait(
    platform: Platform,
    project_id: ProjectId,
    operation_id: str,
    kind: SessionOperation,
    session_id: str | None,
    *,
    patience: timedelta,
) -> tuple[Run, str | None]:
    """Return the operation when it is over or the time is up, with the id of the part it carries out.

    Raises:
        NotFound: there is no such operation of that kind and session.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    with platform.signals.subscribe(f"run:{operation_id}") as signalled:
        while True:
            row = (
                None
                if "\0" in operation_id
                else await run_rows.get(platform.database, operation_id)
            )
            if row is None or not _is_operation(row, project_id, kind, session_id):
                raise NotFound(f"There is no {kind.value} operation `{operation_id[:64]}` here.")
            left = deadline - loop.time()
            if row.run.status.is_terminal or left <= 0:
                parts = await run_rows.parts(platform.database, row.run.id)
                return row.run, parts[-1].id if parts else None
            await signals.wait(signalled, min(left, _LOOK_SECONDS))


async def declare(
    platform: Platform, connection: Any, project: Project, declared: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Bring the sessions of a project's code in line with what was deployed; return what is to be said.

    `project` has the new Deployment as its current one. A session that a caller made keeps its id.
    """
    said: list[str] = []
    known = {row.session.id: row for row in await rows.of_code(connection, project.id)}
    for session_id in known.keys() - declared.keys():
        await _forget(connection, project.id, session_id)
        said.append(f"The auth session `{session_id}` is no longer declared and was removed")
    for session_id, parameters in declared.items():
        plan = SessionPlan(id=session_id, operation=SessionOperation.CREATE, parameters=parameters)
        if session_id not in known:
            said.append(await _declare_new(platform, connection, project, plan))
        elif known[session_id].input_digest != digest(platform, project.id, parameters):
            changed = replace(plan, operation=SessionOperation.UPDATE)
            said.append(await _declare_changed(platform, connection, project, changed))
    return said


async def repair(platform: Platform, connection: Any, row: RunRow, plan: SessionPlan) -> RunId:
    """Begin an operation as the Run of that row wants it, of a session that is held and has none."""
    deployed = _Deployed(
        workspace_id=row.run.workspace_id,
        project_id=row.run.project_id,
        deployment_id=row.run.deployment_id,
    )
    return (await _begin(platform, connection, deployed, plan)).id


async def open_session(platform: Platform, project_id: ProjectId, session_id: str) -> Opened | None:
    """Return a session with its secrets, or None when it is gone."""
    row = await rows.get(platform.database, project_id, session_id)
    return None if row is None else open_row(platform, row)


def open_row(platform: Platform, row: SessionRow) -> Opened:
    """Return a session with its secrets."""
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
        TooLarge: it is larger than allowed.
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


def digest(platform: Platform, project_id: ProjectId, parameters: dict[str, Any]) -> str:
    """Return what tells whether parameters are the same, and nothing else of them."""
    return platform.vault.sign(f"input:{project_id}:{json.dumps(parameters, sort_keys=True)}")


def is_digest(
    platform: Platform, project_id: ProjectId, parameters: dict[str, Any], known: str | None
) -> bool:
    """Return whether a digest is that of the parameters, also under a key that was rotated since."""
    text = f"input:{project_id}:{json.dumps(parameters, sort_keys=True)}"
    return known is not None and platform.vault.is_signed(text, known)


def seal_plan(platform: Platform, run_id: RunId, plan: SessionPlan | None) -> bytes | None:
    """Seal what is secret of a Run's or operation's plan."""
    if plan is None or (plan.proxy is None and plan.parameters is None):
        return None
    text = json.dumps({"proxy": plan.proxy, "parameters": plan.parameters})
    return platform.vault.seal(text.encode(), record=f"run-session:{run_id}")


def open_plan(platform: Platform, row: RunRow) -> SessionPlan | None:
    """Return the plan of a Run or operation with what is secret of it."""
    if row.session is None or row.sealed_session is None:
        return row.session
    text = platform.vault.open(row.sealed_session, record=f"run-session:{row.run.id}")
    secret: dict[str, Any] = json.loads(text)
    return replace(row.session, proxy=secret["proxy"], parameters=secret["parameters"])


async def make_runtime(
    connection: Any, project_id: ProjectId, run_id: RunId, plan: SessionPlan
) -> None:
    """Make sure that there is a RUNTIME session of the plan's id; one without a name goes with the Run.

    Raises:
        Conflict: a session of that id exists and was made otherwise.
    """
    new = NewSession(
        project_id=project_id,
        id=plan.id,
        type=SessionType.RUNTIME,
        status=SessionStatus.PENDING,
        only_for=run_id if plan.id == run_id else None,
    )
    if await rows.insert(connection, new):
        return
    known = await rows.get(connection, project_id, plan.id)
    if known is not None and known.session.type is not SessionType.RUNTIME:
        raise Conflict(
            f"The auth session `{plan.id}` is of type {known.session.type.value}: "
            "leave `runtimeInput` out, or choose another id."
        )


async def after_operation(connection: Any, operation: RunRow, *, is_completed: bool) -> None:
    """Release what an operation held that has just ended in this transaction: the session, and who waits."""
    run, plan = operation.run, operation.session
    assert plan is not None
    if not is_completed and plan.operation is not SessionOperation.UPDATE:
        await rows.forget_unmade(connection, run.project_id, plan.id)
        if plan.operation is SessionOperation.CREATE:
            await rows.expire(connection, run.project_id, plan.id, generation=0)
    waiting = await run_rows.waiting(connection, run.id)
    await engine.enqueue(
        connection,
        *(
            queues.entry_after_waiting(project_id, run_id, turn, fence)
            for run_id, project_id, turn, fence in waiting
        ),
    )


async def cancel_operation(connection: Any, project_id: ProjectId, session_id: str) -> None:
    """Cancel the operation that holds a session: at once when it waits, else through its Worker."""
    operation = await run_rows.active_operation(connection, project_id, session_id)
    if operation is None:
        return
    cancellation = Cancellation(
        reason=CancelReason.TERMINATED, message=f"The auth session `{session_id}` was removed."
    )
    if await run_rows.cancel_pending(connection, operation.run.id, cancellation):
        await after_operation(connection, operation, is_completed=False)
        await signals.send(connection, f"run:{operation.run.id}")
    elif await run_rows.request_cancel(connection, operation.run.id):
        await signals.send(connection, "interrupted")


async def _begin(
    platform: Platform, connection: Any, deployed: _Deployed, plan: SessionPlan
) -> Run:
    """Insert an operation and its queue entry, ahead of the project's Runs: some may wait for it."""
    assert plan.operation is not None
    run_id = new_run_id()
    new = run_rows.NewRun(
        id=run_id,
        workspace_id=deployed.workspace_id,
        project_id=deployed.project_id,
        deployment_id=deployed.deployment_id,
        kind=RunKind.OPERATION,
        plan=RunPlan(
            api=f"auth-sessions/{plan.operation.value}",
            parameters={},
            proxy=None,
            save_trace=False,
            save_har=False,
            request_timeout=plan.request_timeout,
            maximum_attempts=1,
            session=plan,
        ),
        sealed_proxy=None,
        sealed_session=seal_plan(platform, run_id, plan),
    )
    try:
        async with database.transaction(connection):
            row = await run_rows.insert(connection, new)
    except asyncpg.UniqueViolationError as error:
        raise _in_use(plan.id) from error
    await engine.enqueue(connection, queues.entry(deployed.project_id, run_id, 0))
    return row.run


async def _forget(connection: Any, project_id: ProjectId, session_id: str) -> None:
    await cancel_operation(connection, project_id, session_id)
    await rows.forget(connection, project_id, session_id)


async def _declare_new(
    platform: Platform, connection: Any, project: Project, plan: SessionPlan
) -> str:
    new = NewSession(
        project_id=project.id,
        id=plan.id,
        type=SessionType.CREDENTIALS,
        status=SessionStatus.PENDING,
        source=SessionSource.CODE,
        **_sealed_input(platform, project.id, plan),
    )
    if not await rows.insert(connection, new):
        return f"There is an auth session `{plan.id}` that was not made by code: it stays as it is"
    await _begin(platform, connection, _deployed(project, needs_create=True), plan)
    return f"Creating the auth session `{plan.id}`"


async def _declare_changed(
    platform: Platform, connection: Any, project: Project, plan: SessionPlan
) -> str:
    try:
        await _begin(platform, connection, _deployed(project, needs_create=True), plan)
    except SessionInUse:
        return f"The auth session `{plan.id}` is in use and keeps its parameters: deploy again to update it"
    return f"Updating the auth session `{plan.id}`"


def _deployed(project: Project, *, needs_create: bool) -> _Deployed:
    if project.current is None or project.current.manifest is None:
        raise NotFound(f"Nothing is deployed to the project `{project.name}` yet: deploy it first.")
    settings = project.current.manifest.settings
    if not settings.has_auth_sessions:
        message = (
            f"the project `{project.name}` has no auth sessions: set `auth_sessions.enabled`, "
            "write `auth-sessions/create.py` and `check.py`, and deploy"
        )
        raise ValidationError([Problem(path="authSession", message=message)], message)
    if needs_create and not settings.can_create_sessions:
        message = f"The project `{project.name}` has no `auth-sessions/create.py`: upload a state instead."
        raise ValidationError([Problem(path="parameters", message=message)], message)
    return _Deployed(
        workspace_id=project.workspace_id,
        project_id=project.id,
        deployment_id=project.current.id,
    )


def _is_operation(
    row: RunRow, project_id: ProjectId, kind: SessionOperation, session_id: str | None
) -> bool:
    plan = row.session
    return (
        row.run.kind is RunKind.OPERATION
        and row.run.project_id == project_id
        and plan is not None
        and plan.operation is kind
        and session_id in (None, plan.id)
    )


def _sealed_input(platform: Platform, project_id: ProjectId, plan: SessionPlan) -> dict[str, Any]:
    parameters = plan.parameters or {}
    return {
        "input_digest": digest(platform, project_id, parameters),
        "sealed_parameters": seal_parameters(platform, project_id, plan.id, parameters),
        "sealed_proxy": seal_proxy(platform, project_id, plan.id, plan.proxy),
    }


def _seal(
    platform: Platform, project_id: ProjectId, session_id: str, part: str, value: Any
) -> bytes | None:
    if value is None:
        return None
    record = _record(project_id, session_id, part)
    return platform.vault.seal(json.dumps(value).encode(), record=record)


def _record(project_id: ProjectId, session_id: str, part: str) -> str:
    return f"auth-session:{project_id}/{session_id}:{part}"


async def _row(platform: Platform, project_id: ProjectId, session_id: str) -> SessionRow:
    found = None
    if is_session_id(session_id):
        found = await rows.get(platform.database, project_id, session_id)
    if found is None:
        raise NotFound(f"There is no auth session `{session_id[:128]}` in this project.")
    return found


def _check_id(session_id: str) -> None:
    if not is_session_id(session_id):
        message = "must be 1 to 128 letters, digits, `-` or `_`, and not be `create`"
        raise ValidationError([Problem(path="id", message=message)])


def _in_use(session_id: str) -> SessionInUse:
    return SessionInUse(
        f"The auth session `{session_id}` is being created, updated or validated: "
        "wait until that is over."
    )
