"""Notifications: what webhooks receive besides outcomes, all in the same envelope."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.domain.deliveries.deliveries import NotificationKind
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.deliveries.webhooks import WebhookSink
from runwright.domain.ids import ProjectId, WorkspaceId
from runwright.domain.jobs import job_json
from runwright.domain.jobs.jobs import JobRun


@dataclass(frozen=True, kw_only=True, slots=True)
class AboutRun:
    """The Run that a notification is about."""

    run_id: str
    api: str
    workspace_id: WorkspaceId
    project_id: ProjectId
    project_name: str | None
    job_run_id: str | None
    """The JobRun that it is an item of."""

    def as_json(self) -> dict[str, Any]:
        """The Run as it appears in every notification about one."""
        return {
            "workspaceId": str(self.workspace_id),
            "project": {"id": str(self.project_id), "name": self.project_name},
            "run": {"id": self.run_id, "api": self.api},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """An event to report, and when it happened."""

    kind: NotificationKind
    at: datetime
    data: dict[str, Any]

    def body(self, about: dict[str, Any] | None = None) -> str:
        """The envelope as JSON text, with its subject before the rest."""
        data = {**(about or {}), **self.data}
        return json.dumps({"type": self.kind.value, "timestamp": self.at.isoformat(), "data": data})


async def of_run(
    platform: Platform,
    connection: Any,
    about: AboutRun,
    notification: Notification,
    webhooks: Iterable[WebhookSink],
) -> None:
    """Notify about a Run, once for each distinct URL among the webhooks."""
    body = notification.body(about.as_json())
    for webhook in {each.url: each for each in webhooks}.values():
        await deliveries.accept_notification(
            platform, connection, about.project_id, about.job_run_id, webhook, body
        )


async def of_job_run(
    platform: Platform,
    connection: Any,
    job_run: JobRun,
    kind: NotificationKind,
    at: datetime,
    webhooks: Iterable[WebhookSink],
) -> None:
    """Notify each webhook of a JobRun's state."""
    body = Notification(kind=kind, at=at, data={"jobRun": job_json.of_job_run(job_run)}).body()
    for webhook in webhooks:
        await deliveries.accept_notification(
            platform, connection, job_run.project_id, job_run.id, webhook, body
        )


def told(sink: Sink | None, api: str | None) -> list[WebhookSink]:
    """The webhooks to notify for a Sink: the Sink itself, if it is a webhook that wants the Api's outcomes."""
    if not isinstance(sink, WebhookSink):
        return []
    return [sink] if api is None or sink.wants(api, is_completed=True) else []
