"""Notifications: what webhooks are told besides outcomes, each in the same envelope."""

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
    """What it is an item of."""

    def as_json(self) -> dict[str, Any]:
        """The Run as each notification about one names it."""
        return {
            "workspaceId": str(self.workspace_id),
            "project": {"id": str(self.project_id), "name": self.project_name},
            "run": {"id": self.run_id, "api": self.api},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """What is told, and since when it is so."""

    kind: NotificationKind
    at: datetime
    data: dict[str, Any]

    def body(self, about: dict[str, Any] | None = None) -> str:
        """The envelope as JSON text, with what it is about before the rest."""
        data = {**(about or {}), **self.data}
        return json.dumps({"type": self.kind.value, "timestamp": self.at.isoformat(), "data": data})


async def of_run(
    platform: Platform,
    connection: Any,
    about: AboutRun,
    notification: Notification,
    webhooks: Iterable[WebhookSink],
) -> None:
    """Tell of a Run, once at each address that the webhooks name."""
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
    """Tell each webhook how a JobRun stands."""
    body = Notification(kind=kind, at=at, data={"jobRun": job_json.of_job_run(job_run)}).body()
    for webhook in webhooks:
        await deliveries.accept_notification(
            platform, connection, job_run.project_id, job_run.id, webhook, body
        )


def told(sink: Sink | None, api: str | None) -> list[WebhookSink]:
    """Who is told where outcomes go to a Sink: a webhook that wants those of the Api, if one is named."""
    if not isinstance(sink, WebhookSink):
        return []
    return [sink] if api is None or sink.wants(api, is_completed=True) else []
