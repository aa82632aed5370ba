"""Reads Jobs as they stand on the wire and in a project's files. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from runwright.domain.auth_sessions import DEFAULT_ATTEMPTS, SessionPlan, is_session_id
from runwright.domain.deliveries import sink_fields, sinks
from runwright.domain.deliveries.sinks import InvalidSink
from runwright.domain.jobs import schedule_text
from runwright.domain.jobs.jobs import (
    JobConfiguration,
    JobPlan,
    JobSecrets,
    Notification,
    Payload,
)
from runwright.domain.jobs.schedule_text import InvalidSchedule
from runwright.domain.runs import CLIENT_DEFAULT_ATTEMPTS
from runwright.domain.text import proxies, urls

_MAX_ATTEMPTS = 100
_MAX_TIMEOUT_SECONDS = 86_400
_MAX_CONCURRENT = 10_000
_MAX_NOTIFICATIONS = 10
_LARGEST = 2**31 - 1


class InvalidJob(ValueError):
    """A field of a Job is wrong; `path` says which."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def parse(value: Any) -> JobPlan:
    """Return the plan that a JSON value describes; its `id` is not read.

    Raises:
        InvalidJob: it is none; says which field is wrong.
    """
    body = _object(value, "")
    configuration = _object(_needed(body, "configuration", ""), "configuration")
    items = _list(_needed(body, "payload", ""), "payload")
    schedule = body.get("schedule")
    return JobPlan(
        payload=tuple(_payload(item, f"payload.{n}") for n, item in enumerate(items)),
        configuration=_configuration(configuration),
        schedule=None if schedule is None else _schedule(schedule),
        schedule_body=None if schedule is None else _object(schedule, "schedule"),
        session=_session(body.get("auth_session")),
        secrets=JobSecrets(
            sink=_sink(body.get("sink")),
            proxy=_proxy(body.get("proxy"), "proxy"),
            configuration_proxy=_proxy(configuration.get("proxy"), "configuration.proxy"),
            notifications=_notifications(body.get("notifications")),
        ),
    )


def unmasked(value: Any, known: JobSecrets) -> Any:
    """Return a Job's body with the secrets of the known one where it has masks."""
    if not isinstance(value, dict):
        return value
    body = dict(cast("dict[str, Any]", value))
    body["sink"] = sinks.unmasked(body.get("sink"), known.sink)
    body["proxy"] = urls.unmasked(body.get("proxy"), known.proxy)
    configuration: Any = body.get("configuration")
    if isinstance(configuration, dict):
        kept: dict[str, Any] = {**configuration}
        kept["proxy"] = urls.unmasked(kept.get("proxy"), known.configuration_proxy)
        body["configuration"] = kept
    items: Any = body.get("notifications")
    if isinstance(items, list):
        listed = cast("list[Any]", items)
        webhooks = [(each.url, each.headers) for each in known.notifications]
        body["notifications"] = [
            sinks.webhook_unmasked(cast("dict[str, Any]", each), webhooks)
            if isinstance(each, dict)
            else each
            for each in listed
        ]
    return body


def parse_payload(body: list[Any]) -> tuple[Payload, ...]:
    """Return items from what `job_json.of_payload` gave."""
    return tuple(_payload(item, "") for item in body)


def parse_configuration(body: dict[str, Any]) -> JobConfiguration:
    """Return a configuration from what `job_json.of_configuration` gave."""
    return _configuration(body)


def parse_secrets(body: dict[str, Any]) -> JobSecrets:
    """Return the secrets of a Job from what `job_json.of_secrets` gave."""
    return JobSecrets(
        sink=None if body["sink"] is None else sinks.stored(body["sink"]),
        proxy=body["proxy"],
        configuration_proxy=body["configurationProxy"],
        notifications=tuple(
            Notification(url=each["url"], headers=tuple(each["headers"].items()))
            for each in body["notifications"]
        ),
    )


def _payload(value: Any, path: str) -> Payload:
    body = _object(value, path)
    api = _needed(body, "apiName", path)
    if not isinstance(api, str) or not 1 <= len(api) <= 500:  # noqa: PLR2004 - as `run/start` takes
        raise InvalidJob(_under(path, "apiName"), "must be the name of an API")
    attempts, timeout = _limits(body, path)
    return Payload(
        api=api,
        parameters=_object(_needed(body, "parameters", path), _under(path, "parameters")),
        maximum_attempts=attempts,
        request_timeout=timeout,
    )


def _configuration(body: dict[str, Any]) -> JobConfiguration:
    attempts, timeout = _limits(body, "configuration")
    return JobConfiguration(
        maximum_attempts=attempts,
        request_timeout=timeout,
        max_concurrent=_whole(body, "maxConcurrentRequests", "configuration", _MAX_CONCURRENT),
        max_runs=_whole(body, "maxRuns", "configuration", _LARGEST),
    )


def _limits(body: dict[str, Any], path: str) -> tuple[int | None, timedelta | None]:
    """Return the attempts and the time-out that a body sets; `retry` without a number means 3."""
    attempts = None
    if (retry := body.get("retry")) is not None:
        below = _under(path, "retry")
        attempts = _whole(_object(retry, below), "maximumAttempts", below, _MAX_ATTEMPTS)
        attempts = attempts or CLIENT_DEFAULT_ATTEMPTS
    seconds = _whole(body, "requestTimeout", path, _MAX_TIMEOUT_SECONDS)
    return attempts, None if seconds is None else timedelta(seconds=seconds)


def _schedule(value: Any) -> Any:
    try:
        return schedule_text.parse(value)
    except InvalidSchedule as error:
        raise InvalidJob(_under("schedule", error.path), str(error)) from error


def _session(value: Any) -> SessionPlan | None:
    if value is None:
        return None
    path = "auth_session"
    body = _object(value, path)
    session_id = _needed(body, "id", path)
    if not isinstance(session_id, str) or not is_session_id(session_id):
        message = "must be 1 to 128 letters, digits, `-` or `_`, and not be `create`"
        raise InvalidJob(f"{path}.id", message)
    save_trace = body.get("saveTrace")
    if save_trace is not None and not isinstance(save_trace, bool):
        raise InvalidJob(f"{path}.saveTrace", "must be true or false")
    return SessionPlan(
        id=session_id,
        check_attempts=_whole(body, "checkAttempts", path, _MAX_ATTEMPTS) or DEFAULT_ATTEMPTS,
        create_attempts=_whole(body, "createAttempts", path, _MAX_ATTEMPTS) or DEFAULT_ATTEMPTS,
        save_trace=save_trace,
    )


def _sink(value: Any) -> sinks.Sink | None:
    if value is None:
        return None
    try:
        return sinks.parse(value)
    except InvalidSink as error:
        raise InvalidJob(_under("sink", error.path), str(error)) from error


def _notifications(value: Any) -> tuple[Notification, ...]:
    items = [] if value is None else _list(value, "notifications")
    if len(items) > _MAX_NOTIFICATIONS:
        raise InvalidJob("notifications", f"must be {_MAX_NOTIFICATIONS} at the most")
    return tuple(_notification(item, f"notifications.{n}") for n, item in enumerate(items))


def _notification(value: Any, path: str) -> Notification:
    body = _object(value, path)
    if body.get("type") != "webhook":
        raise InvalidJob(f"{path}.type", "must be `webhook`")
    try:
        url = sink_fields.url(str(_needed(body, "url", path)), "url")
        headers = sink_fields.headers(body.get("headers"), "headers")
    except InvalidSink as error:
        raise InvalidJob(_under(path, error.path), str(error)) from error
    return Notification(url=url, headers=headers)


def _proxy(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not proxies.is_proxy(value):
        raise InvalidJob(path, proxies.EXPECTED)
    return value


def _whole(body: dict[str, Any], name: str, path: str, most: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value != value // 1 or not 1 <= value <= most:
        raise InvalidJob(_under(path, name), f"must be a whole number from 1 to {most}")
    return int(value)


def _needed(body: dict[str, Any], name: str, path: str) -> Any:
    if body.get(name) is None:
        raise InvalidJob(_under(path, name), "is missing")
    return body[name]


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidJob(path, "must be an object")
    return cast("dict[str, Any]", value)


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidJob(path, "must be a list")
    return cast("list[Any]", value)


def _under(path: str, name: str) -> str:
    return ".".join(part for part in (path, name) if part)
