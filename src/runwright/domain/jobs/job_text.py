"""Parses Jobs from the wire and from a project's files. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, TypeAdapter

from runwright.domain.auth_sessions import (
    DEFAULT_ATTEMPTS,
    SESSION_ID_RULE,
    SessionPlan,
    is_session_id,
)
from runwright.domain.deliveries import sinks, webhooks
from runwright.domain.deliveries.sinks import SinkBody
from runwright.domain.deliveries.webhooks import Webhook
from runwright.domain.jobs.jobs import JobConfiguration, JobPlan, JobSecrets, Payload
from runwright.domain.jobs.schedule_text import ScheduleBody
from runwright.domain.runs import CLIENT_DEFAULT_ATTEMPTS, MAX_ATTEMPTS, MAX_TIMEOUT_SECONDS
from runwright.domain.text import fields, urls
from runwright.domain.text.fields import Fields, Whole
from runwright.domain.text.proxies import Proxy

_MAX_CONCURRENT = 10_000
_MAX_NOTIFICATIONS = 10


def _session_id(text: str) -> str:
    if not is_session_id(text):
        raise ValueError(SESSION_ID_RULE)
    return text


_ApiName = Annotated[
    str,
    # The same limits as in `run/start`.
    Field(min_length=1, max_length=500),
    fields.Expected("must be the name of an API: a string of 1 to 500 characters"),
]
_Attempts = Annotated[int, Whole(1, MAX_ATTEMPTS)]
_SessionId = Annotated[str, AfterValidator(_session_id), fields.Expected(SESSION_ID_RULE)]


class RetryBody(Fields):
    """The retry settings."""

    maximum_attempts: _Attempts = CLIENT_DEFAULT_ATTEMPTS


class _Limits(Fields):
    """The limits of an item: attempts and timeout."""

    retry: RetryBody | None = None
    request_timeout: Annotated[int, Whole(1, MAX_TIMEOUT_SECONDS)] | None = None
    """Seconds."""

    @property
    def attempts(self) -> int | None:
        """The maximum number of attempts, if set."""
        return None if self.retry is None else self.retry.maximum_attempts

    @property
    def timeout(self) -> timedelta | None:
        """The timeout, if set."""
        seconds = self.request_timeout
        return None if seconds is None else timedelta(seconds=seconds)


class PayloadBody(_Limits):
    """One item of a Job."""

    api_name: _ApiName
    parameters: dict[str, Any]

    def payload(self) -> Payload:
        """The Payload that this body describes."""
        return Payload(
            api=self.api_name,
            parameters=self.parameters,
            maximum_attempts=self.attempts,
            request_timeout=self.timeout,
        )


class ConfigurationBody(_Limits):
    """How the items of a Job run."""

    max_concurrent_requests: Annotated[int, Whole(1, _MAX_CONCURRENT)] | None = None
    max_runs: Annotated[int, Whole(1, fields.LARGEST_INTEGER)] | None = None
    proxy: Proxy | None = None

    def configuration(self) -> JobConfiguration:
        """The JobConfiguration that this body describes."""
        return JobConfiguration(
            maximum_attempts=self.attempts,
            request_timeout=self.timeout,
            max_concurrent=self.max_concurrent_requests,
            max_runs=self.max_runs,
        )


class SessionBody(Fields):
    """The AuthSession that all Runs of a Job use."""

    id: _SessionId
    check_attempts: _Attempts = DEFAULT_ATTEMPTS
    create_attempts: _Attempts = DEFAULT_ATTEMPTS
    save_trace: bool | None = None

    def plan(self) -> SessionPlan:
        """The SessionPlan that this body describes."""
        return SessionPlan(
            id=self.id,
            check_attempts=self.check_attempts,
            create_attempts=self.create_attempts,
            save_trace=self.save_trace,
        )


class JobBody(Fields):
    """The definition of a Job."""

    # Report only the first invalid item: a payload can be so long that a full list would be unreadable.
    payload: list[PayloadBody] = Field(fail_fast=True)
    configuration: ConfigurationBody
    schedule: ScheduleBody | None = None
    sink: SinkBody | None = None
    proxy: Proxy | None = None
    auth_session: SessionBody | None = Field(default=None, alias="auth_session")
    notifications: list[Webhook] = Field(
        default_factory=list[Webhook], max_length=_MAX_NOTIFICATIONS
    )

    def plan(self, written: Any) -> JobPlan:
        """The JobPlan that this body describes; `written` is the JSON value it was parsed from."""
        return JobPlan(
            payload=tuple(each.payload() for each in self.payload),
            configuration=self.configuration.configuration(),
            schedule=None if self.schedule is None else self.schedule.schedule(),
            schedule_body=written.get("schedule"),
            session=None if self.auth_session is None else self.auth_session.plan(),
            secrets=JobSecrets(
                sink=self.sink,
                proxy=self.proxy,
                configuration_proxy=self.configuration.proxy,
                notifications=tuple(self.notifications),
            ),
        )


_JOB = TypeAdapter(JobBody)
_PAYLOAD = TypeAdapter(list[PayloadBody])
_CONFIGURATION = TypeAdapter(ConfigurationBody)


def parse(value: Any) -> JobPlan:
    """Parse a Job from a JSON value; its `id` is ignored.

    Raises:
        InvalidFields: the value is invalid; names the wrong fields.
    """
    return fields.read(_JOB, value).plan(value)


def unmasked(value: Any, known: JobSecrets) -> Any:
    """A Job's body with its masks replaced by the known secrets."""
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
        body["notifications"] = [
            webhooks.unmasked(cast("dict[str, Any]", each), known.notifications)
            if isinstance(each, dict)
            else each
            for each in cast("list[Any]", items)
        ]
    return body


def parse_payload(body: list[Any]) -> tuple[Payload, ...]:
    """Parse items that `job_json.of_payload` wrote."""
    return tuple(each.payload() for each in fields.read(_PAYLOAD, body))


def parse_configuration(body: dict[str, Any]) -> JobConfiguration:
    """Parse a configuration that `job_json.of_configuration` wrote."""
    return fields.read(_CONFIGURATION, body).configuration()


def parse_secrets(body: dict[str, Any]) -> JobSecrets:
    """Parse a Job's secrets that `job_json.of_secrets` wrote."""
    return JobSecrets(
        sink=None if body["sink"] is None else sinks.stored(body["sink"]),
        proxy=body["proxy"],
        configuration_proxy=body["configurationProxy"],
        notifications=tuple(Webhook.stored(each) for each in body["notifications"]),
    )
