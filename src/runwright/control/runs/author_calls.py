"""Requests that an author's code makes of the platform while its Attempt runs, with that Attempt's token."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runwright import db_errors
from runwright.control.auth_sessions import sealed_sessions
from runwright.control.base.platform import Platform
from runwright.control.runs import attempts
from runwright.control.runs.claims import Claim
from runwright.domain.auth_sessions import SessionType
from runwright.domain.ids import ProjectId, RunId
from runwright.domain.runs import RunFile
from runwright.errors import Forbidden, NotFound, Problem, Unauthorized, ValidationError
from runwright.storage import attempts as attempt_rows, entries, runs as run_rows

READ, WRITE = "read", "write"
_MAX_KEY_LENGTH = 512
_FILE_LINK_LIFE = timedelta(days=1)
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """An Attempt that calls the platform: its token is valid, and it is in progress."""

    run_id: RunId
    attempt: int
    fence: int
    project_id: ProjectId
    charged_run_id: RunId
    """The Run that pays for language models: the one that a check or create belongs to, or the Run itself."""


def token(platform: Platform, claim: Claim) -> str:
    """The token of a claimed Attempt; it is invalid once the fence has moved on."""
    subject = f"{claim.run_id}.{claim.fence}"
    return f"{subject}.{platform.vault.sign(f'attempt:{subject}')}"


async def identify(platform: Platform, secret: str, workspace_id: str, project_id: str) -> Author:
    """Find the Attempt that a token belongs to.

    Raises:
        Unauthorized: the token is invalid, or its Attempt is over.
        Forbidden: it belongs to another project.
    """
    run_id, fence, signature = (*secret.split("."), "", "", "")[:3]
    if not platform.vault.is_signed(f"attempt:{run_id}.{fence}", signature):
        raise Unauthorized("The attempt's token is invalid.")
    row = await run_rows.get(platform.database, run_id)
    is_current = row is not None and str(row.fence) == fence and row.run.status == "started"
    if row is None or not is_current or not await _is_under_way(platform, row):
        raise Unauthorized("The attempt's token is no longer valid: the attempt is over.")
    if (str(row.run.workspace_id), str(row.run.project_id)) != (workspace_id, project_id):
        raise Forbidden("The attempt's token belongs to another project.")
    return Author(
        run_id=row.run.id,
        attempt=row.run.attempt,
        fence=row.fence,
        project_id=row.run.project_id,
        charged_run_id=row.run.parent_id or row.run.id,
    )


async def over(platform: Platform, author: Author) -> None:
    """Wait until the Attempt is over, however long the database is away."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            if not await attempt_rows.is_under_way(platform.database, author.run_id, author.fence):
                return
        except Exception as error:
            if not db_errors.is_to_wait_for(error):
                raise


async def get_entry(platform: Platform, author: Author, store: str, key: str) -> Any:
    """The JSON value of a key in one of the project's stores, or None."""
    found = await entries.get(platform.database, author.project_id, store, _checked(key))
    return None if found is None else {"value": json.loads(found)}


async def put_entry(platform: Platform, author: Author, store: str, key: str, value: Any) -> None:
    """Set a key in one of the project's stores to a JSON value."""
    await entries.put(platform.database, author.project_id, store, _checked(key), json.dumps(value))


async def session_parameters(platform: Platform, author: Author, session_id: str) -> dict[str, Any]:
    """The parameters of the session that the calling Attempt runs with.

    Raises:
        NotFound: it runs with another session or none, or the session's parameters are not stored.
    """
    row = await run_rows.get(platform.database, author.run_id)
    if row is None or row.run.auth_session_id != session_id:
        raise NotFound(f"Run `{author.run_id}` has no auth session `{session_id[:64]}`.")
    operation = (
        row
        if row.run.parent_id is None
        else await run_rows.get(platform.database, row.run.parent_id)
    )
    opened = await sealed_sessions.open_session(platform, author.project_id, session_id)
    if opened is None or opened.session.type is not SessionType.CREDENTIALS:
        kind = "a removed" if opened is None else f"a {opened.session.type.value}"
        raise NotFound(f"`{session_id}` is {kind} session, whose parameters are not kept.")
    plan = None if operation is None else sealed_sessions.open_plan(platform, operation)
    if plan is not None and plan.parameters is not None:
        return plan.parameters
    return opened.parameters or {}


def new_upload(author: Author) -> str:
    """A new subject for an upload: its links are signed for it."""
    return f"{author.run_id}/{author.attempt}/{secrets.token_urlsafe(16)}"


async def keep_upload(platform: Platform, subject: str, path: Path) -> None:
    """Attach an uploaded file to its Run; another upload of the same subject replaces it."""
    run_id, attempt, name = subject.split("/")
    blob = f"runs/{subject}"
    is_new = not await platform.blobs.exists(blob)
    await platform.blobs.put_file(blob, path)
    if is_new:
        file = RunFile(
            id=0,
            attempt=int(attempt),
            kind="file",
            name=name,
            size_bytes=(await asyncio.to_thread(path.stat)).st_size,
            blob=blob,
            created_at=datetime.now(UTC),
        )
        await attempts.add_file_of(platform, RunId(run_id), file)


def link(platform: Platform, purpose: str, subject: str, expires: datetime) -> str:
    """The path and query of a link that is valid until it expires, for one purpose only."""
    until = int(expires.timestamp())
    signature = platform.vault.sign(f"{purpose}:{subject}:{until}")
    return f"/files/{subject}?purpose={purpose}&expires={until}&signature={signature}"


def file_link(platform: Platform, file: RunFile) -> str:
    """A link that lets anyone read a Run's file for a day."""
    subject = file.blob.removeprefix("runs/")
    return link(platform, READ, subject, datetime.now(UTC) + _FILE_LINK_LIFE)


def check_link(
    platform: Platform, purpose: str, wanted: str, subject: str, expires: int, signature: str
) -> None:
    """Reject a link that is forged, expired, or made for another purpose.

    Raises:
        NotFound: whatever the reason; nothing is revealed about the file.
    """
    is_ours = platform.vault.is_signed(f"{purpose}:{subject}:{expires}", signature)
    if not is_ours or purpose != wanted or expires < datetime.now(UTC).timestamp():
        raise NotFound("This link is invalid or has expired.")


async def _is_under_way(platform: Platform, row: run_rows.RunRow) -> bool:
    """True while the Attempt runs; between two Attempts nobody may call."""
    return await attempt_rows.is_under_way(platform.database, row.run.id, row.fence)


def _checked(key: str) -> str:
    if not key or len(key) > _MAX_KEY_LENGTH or any(char in key for char in ":#\0"):
        message = f"must have 1 to {_MAX_KEY_LENGTH} characters, and neither `:` nor `#`"
        raise ValidationError([Problem(path="key", message=message)])
    return key
