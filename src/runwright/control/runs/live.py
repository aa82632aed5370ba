"""Watching a Run: permission, and requests to the Worker that holds it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from runwright.adapters import signals
from runwright.control.base.platform import Platform
from runwright.domain.ids import RunId
from runwright.domain.live import LiveRequest, Ticket
from runwright.errors import NotFound
from runwright.storage import database, live as rows

TOPIC = "live"
"""Signaled when a request waits for a Worker."""
_ID_BYTES = 24
_VIEW = "view"


def link_token(platform: Platform, run_id: RunId, life: timedelta) -> tuple[str, datetime]:
    """A token that lets anyone watch the Run, but not control it, and when it expires."""
    until = int((datetime.now(UTC) + life).timestamp())
    subject = f"{run_id}.{until}"
    token = f"{subject}.{platform.vault.sign(f'live-{_VIEW}:{subject}')}"
    return token, datetime.fromtimestamp(until, UTC)


def open_link(platform: Platform, token: str) -> Ticket:
    """The permission that a link grants.

    Raises:
        NotFound: the link is forged or has expired.
    """
    run_id, until, signature = (*token.split("."), "", "", "")[:3]
    is_ours = platform.vault.is_signed(f"live-{_VIEW}:{run_id}.{until}", signature)
    expires_at = (
        datetime.fromtimestamp(int(until), UTC) if is_ours else datetime.min.replace(tzinfo=UTC)
    )
    if expires_at <= datetime.now(UTC):
        raise NotFound("This link is invalid or has expired.")
    return Ticket(run_id=RunId(run_id), can_control=False, watcher="a link", expires_at=expires_at)


def new_request(ticket: Ticket, held_id: RunId, server_url: str) -> LiveRequest:
    """A request for the Worker that holds a ticket's Run to show it."""
    return LiveRequest(
        id=secrets.token_urlsafe(_ID_BYTES),
        run_id=held_id,
        server_url=server_url,
        can_control=ticket.can_control,
        watcher=ticket.watcher,
    )


async def request(platform: Platform, wanted: LiveRequest) -> None:
    """Ask the Worker that holds the Run to show it; idempotent."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.request(connection, wanted)
        await signals.send(connection, TOPIC)


async def withdraw(platform: Platform, wanted: LiveRequest) -> None:
    """Remove a request that nobody waits for any longer."""
    await rows.withdraw(platform.database, wanted.id)


async def is_silent(platform: Platform, run_id: RunId) -> bool:
    """True when the Worker of a started Run sends no heartbeat."""
    return await rows.is_silent(platform.database, run_id, platform.settings.heartbeat_timeout)


async def take(platform: Platform, run_ids: Sequence[str]) -> list[LiveRequest]:
    """Take the requests for the Runs that this Worker holds."""
    return await rows.take(platform.database, run_ids) if run_ids else []


def proof(platform: Platform, request_id: str) -> str:
    """The proof that a Worker belongs to this installation and has taken the request."""
    return platform.vault.sign(f"live-dial:{request_id}")


def is_proved(platform: Platform, request_id: str, given: str) -> bool:
    """True when the proof is valid."""
    return platform.vault.is_signed(f"live-dial:{request_id}", given)
