"""Questions that Attempts ask people: storing them, notifying, taking the answer."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

from runwright.adapters import signals
from runwright.control.base.platform import Platform
from runwright.control.deliveries import notifications, sealed_sinks
from runwright.control.deliveries.notifications import AboutRun, Notification
from runwright.control.deliveries.sealed_sinks import Owner
from runwright.control.runs import job_items
from runwright.control.runs.claims import Claim
from runwright.domain.deliveries.deliveries import NotificationKind
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.ids import WorkspaceId
from runwright.domain.questions import MAX_ANSWER_LENGTH, AskedRun, Question
from runwright.domain.runs import RunKind
from runwright.errors import Conflict, Problem, ValidationError
from runwright.storage import (
    database,
    projects as project_rows,
    questions as rows,
)

_ID_BYTES = 12
_LOOK_SECONDS = 2.0


async def ask(
    platform: Platform, claim: Claim, text: str, *, is_secret: bool, within: timedelta
) -> Question | None:
    """Store a claimed Attempt's question and notify its subscribers; None when the claim is lost."""
    question_id = secrets.token_hex(_ID_BYTES)
    async with platform.database.acquire() as connection, database.transaction(connection):
        asked = await rows.ask(
            connection,
            question_id,
            (claim.run_id, claim.fence),
            text.replace("\0", "�"),
            is_secret=is_secret,
            within=within,
        )
        if asked is not None:
            await _notify(platform, connection, claim, asked)
        return asked


async def wait(platform: Platform, question: Question, *, until: float) -> str | None:
    """Wait for the answer and forget it; None when the time is up.

    `until` is a time of the running loop, which a wrong system clock does not affect.
    """
    loop = asyncio.get_running_loop()
    with platform.signals.subscribe(f"question:{question.id}") as signalled:
        while True:
            sealed = await rows.take(platform.database, question.id)
            if sealed is not None:
                return platform.vault.open(sealed, record=_record(question.id)).decode()
            left = until - loop.time()
            if left <= 0:
                await rows.end(platform.database, question.id)
                return None
            await signals.wait(signalled, min(left, _LOOK_SECONDS))


async def end(platform: Platform, question: Question) -> None:
    """End a question that nobody waits for any longer."""
    await rows.end(platform.database, question.id)


async def open_of_run(platform: Platform, run_id: str) -> Question | None:
    """The open question of a Run, asked by itself or by a check or create it depends on."""
    return await rows.open_of_run(platform.database, run_id)


async def open_of_workspace(platform: Platform, workspace_id: WorkspaceId) -> list[AskedRun]:
    """The open questions of a workspace, oldest first."""
    return await rows.open_of_workspace(platform.database, workspace_id)


async def answer(platform: Platform, run_id: str, text: str, question_id: str | None) -> Question:
    """Answer a Run's question and return the question; the caller has checked access to the Run.

    Raises:
        Conflict: it asks nothing, or something else by now.
        ValidationError: the answer is too long.
    """
    if len(text) > MAX_ANSWER_LENGTH or "\0" in text:
        message = f"must have at most {MAX_ANSWER_LENGTH} characters, and no NUL"
        raise ValidationError([Problem(path="answer", message=message)])
    asked = await open_of_run(platform, run_id)
    if asked is None or question_id not in (None, asked.id):
        raise _not_open(run_id)
    sealed = platform.vault.seal(text.encode(), record=_record(asked.id))
    if not await rows.answer(platform.database, asked.id, sealed):
        raise _not_open(run_id)
    return asked


async def forget_untaken(platform: Platform) -> None:
    """Forget answers whose Attempt ended before taking them."""
    await rows.forget_untaken(platform.database)


async def _notify(platform: Platform, connection: Any, claim: Claim, question: Question) -> None:
    """Notify the Run's own webhook, if it has one, and the subscribers of its JobRun."""
    about = AboutRun(
        run_id=claim.parent_id or claim.run_id,
        api=claim.plan.api,
        workspace_id=claim.workspace_id,
        project_id=claim.project_id,
        project_name=await project_rows.name_of(connection, claim.project_id),
        job_run_id=claim.job_run_id,
    )
    webhooks = await job_items.told_of(platform, connection, claim.job_run_id)
    webhooks += await _told(platform, connection, claim)
    notification = _notification(platform, about, question)
    await notifications.of_run(platform, connection, about, notification, webhooks)


async def _told(platform: Platform, connection: Any, claim: Claim) -> list[WebhookSink]:
    asking = claim.parent_id or claim.run_id
    of_run, of_deployment = await rows.sinks(connection, asking)
    sink = None
    if of_run is not None:
        sink = sealed_sinks.unseal(platform, Owner.RUN, asking, of_run)
    elif of_deployment is not None:
        sink = sealed_sinks.unseal(platform, Owner.DEPLOYMENT, claim.deployment_id, of_deployment)
    return notifications.told(sink, claim.plan.api if claim.kind is RunKind.API else None)


def _notification(platform: Platform, about: AboutRun, question: Question) -> Notification:
    page = f"/projects/{about.project_name}/runs/{about.run_id}/live"
    return Notification(
        kind=NotificationKind.RUN_QUESTION,
        at=question.asked_at,
        data={
            "question": {
                "id": question.id,
                "text": question.text,
                "isSecret": question.is_secret,
                "expiresAt": question.expires_at.isoformat(),
            },
            "url": f"{platform.settings.url or ''}{page}",
        },
    )


def _record(question_id: str) -> str:
    return f"answer:{question_id}"


def _not_open(run_id: str) -> Conflict:
    return Conflict(
        f"Run `{run_id[:64]}` asks nothing now, or something else: load its questions again."
    )
