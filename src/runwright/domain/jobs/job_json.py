"""Serializes Jobs and JobRuns for the wire and for storage. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.jobs.jobs import JobConfiguration, JobRun, JobSecrets, Payload
from runwright.domain.text import urls


def of_payload(payload: Payload) -> dict[str, Any]:
    """An item as a JSON value."""
    body: dict[str, Any] = {"apiName": payload.api, "parameters": payload.parameters}
    return body | _limits_json(payload.maximum_attempts, payload.request_timeout)


def of_configuration(
    configuration: JobConfiguration, secrets: JobSecrets | None = None
) -> dict[str, Any]:
    """A configuration as a JSON value; includes the proxy, masked, if secrets are given."""
    body = _limits_json(configuration.maximum_attempts, configuration.request_timeout)
    body |= {
        "maxConcurrentRequests": configuration.max_concurrent,
        "maxRuns": configuration.max_runs,
        "proxy": None if secrets is None else masked_proxy(secrets.configuration_proxy),
    }
    return {name: value for name, value in body.items() if value is not None}


def of_session(plan: SessionPlan) -> dict[str, Any]:
    """A Job's session settings as a JSON value."""
    body: dict[str, Any] = {
        "id": plan.id,
        "checkAttempts": plan.check_attempts,
        "createAttempts": plan.create_attempts,
    }
    return body if plan.save_trace is None else body | {"saveTrace": plan.save_trace}


def of_secrets(secrets: JobSecrets) -> dict[str, Any]:
    """A Job's secrets as a JSON value, not masked: the caller seals it."""
    return {
        "sink": None if secrets.sink is None else secrets.sink.as_json(is_masked=False),
        "proxy": secrets.proxy,
        "configurationProxy": secrets.configuration_proxy,
        "notifications": [each.as_json(is_masked=False) for each in secrets.notifications],
    }


def of_job_run(job_run: JobRun) -> dict[str, Any]:
    """A JobRun as a JSON value, with its secrets masked."""
    secrets = job_run.secrets
    snapshot: dict[str, Any] = {"configuration": of_configuration(job_run.configuration, secrets)}
    if secrets.sink is not None:
        snapshot["sink"] = secrets.sink.as_json(is_masked=True)
    if job_run.session is not None:
        snapshot["auth_session"] = of_session(job_run.session)
    if secrets.proxy is not None:
        snapshot["proxy"] = {"version": "v1", "url": masked_proxy(secrets.proxy)}
    if secrets.notifications:
        snapshot["notifications"] = [each.as_json(is_masked=True) for each in secrets.notifications]
    body: dict[str, Any] = {
        "id": job_run.id,
        "job_id": job_run.job_id,
        "workspace_id": str(job_run.workspace_id),
        "project_id": str(job_run.project_id),
        "type": job_run.type.value,
        "status": job_run.status.value,
        "start_time": job_run.created_at.isoformat(),
        "end_time": None if job_run.ended_at is None else job_run.ended_at.isoformat(),
        "created_at": job_run.created_at.isoformat(),
        "updated_at": job_run.updated_at.isoformat(),
        "payloads": job_run.counts.payloads,
        "successful_runs": job_run.counts.successful,
        "failed_runs": job_run.counts.failed,
        "job_configuration_snapshot": snapshot,
    }
    if job_run.reason is not None:
        reason: dict[str, Any] = {"type": job_run.reason.value, "message": job_run.message or ""}
        if job_run.details:
            reason["details"] = job_run.details
        body["reason"] = reason
    return body


def masked_proxy(url: str | None) -> str | None:
    """A proxy's URL with its password masked."""
    return None if url is None else urls.masked(url)


def _limits_json(attempts: int | None, timeout: timedelta | None) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if attempts is not None:
        body["retry"] = {"maximumAttempts": attempts}
    if timeout is not None:
        body["requestTimeout"] = int(timeout.total_seconds())
    return body
