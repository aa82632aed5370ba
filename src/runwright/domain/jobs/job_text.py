"""Jobs as they stand on the wire and in a project's files. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, TypeAdapter

from runwright.domain.auth_sessions import DEFAULT_ATTEMPTS, SessionPlan, is_session_id
from runwright.domain.deliveries import sinks, webhooks
from runwright.domain.deliveries.sinks import SinkBody
from runwright.domain.deliveries.webhooks import Webhook
from runwright.domain.jobs.jobs import JobConfiguration, JobPlan, JobSecrets, Payload
from runwright.domain.jobs.schedule_text import ScheduleBody
from runwright.domain.runs import CLIENT_DEFAULT_ATTEMPTS
from runwright.domain.text import fields, urls
from runwright.domain.text.fields import Fields, Whole
from runwright.domain.text.proxies import Proxy

_MAX_ATTEMPTS = 100
_MAX_TIMEOUT_SECONDS = 86_400
_MAX_CONCURRENT = 10_000
_MAX_NOTIFICATIONS = 10
_LARGEST = 2**31 - 1
_NO_SESSION_ID = "must be 1 to 128 letters, digits, `-` or `_`, and not be `create`"


def _session_id(text: str) -> str:
    if not is_session_id(text):
        raise ValueError(_NO_SESSION_ID)
    return text


_ApiName = Annotated[
    str,
    # As `run/start` takes.
    Field(min_length=1, max_length=500),
    fields.Expected("must be the name of an API: a string of 1 to 500 characters"),
]
_Attempts = Annotated[int, Whole(1, _MAX_ATTEMPTS)]
_SessionId = Annotated[str, AfterValidator(_session_id), fields.Expected(_NO_SESSION_ID)]


class RetryBody(Fields):
    """How often to try."""

    maximum_attempts: _Attempts = CLIENT_DEFAULT_ATTEMPTS


class _Limits(Fields):
    """How often an item is tried, and for how long."""

    retry: RetryBody | None = None
    request_timeout: Annotated[int, Whole(1, _MAX_TIMEOUT_SECONDS)] | None = None
    """Seconds."""

    @property
    def attempts(self) -> int | None:
        """The attempts that are set, if they are."""
        return None if self.retry is None else self.retry.maximum_attempts

    @property
    def timeout(self) -> timedelta | None:
        """The time-out that is set, if one is."""
        seconds = self.request_timeout
        return None if seconds is None else timedelta(seconds=seconds)


class PayloadBody(_Limits):
    """One item of a Job."""

    api_name: _ApiName
    parameters: dict[str, Any]

    def payload(self) -> Payload:
        """The item that it describes."""
        return Payload(
            api=self.api_name,
            parameters=self.parameters,
            maximum_attempts=self.attempts,
            request_timeout=self.timeout,
        )


class ConfigurationBody(_Limits):
    """How the items of a Job are carried out."""

    max_concurrent_requests: Annotated[int, Whole(1, _MAX_CONCURRENT)] | None = None
    max_runs: Annotated[int, Whole(1, _LARGEST)] | None = None
    proxy: Proxy | None = None

    def configuration(self) -> JobConfiguration:
        """The configuration that it describes."""
        return JobConfiguration(
            maximum_attempts=self.attempts,
            request_timeout=self.timeout,
            max_concurrent=self.max_concurrent_requests,
            max_runs=self.max_runs,
        )


class SessionBody(Fields):
    """The session that all Runs of a Job run with."""

    id: _SessionId
    check_attempts: _Attempts = DEFAULT_ATTEMPTS
    create_attempts: _Attempts = DEFAULT_ATTEMPTS
    save_trace: bool | None = None

    def plan(self) -> SessionPlan:
        """What it asks of the session."""
        return SessionPlan(
            id=self.id,
            check_attempts=self.check_attempts,
            create_attempts=self.create_attempts,
            save_trace=self.save_trace,
        )


class JobBody(Fields):
    """What a Job is made from."""

    # One wrong item is told: of as many as there may be, all that is wrong would be too long to tell.
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
        """The plan that it describes; `written` is what it was read from."""
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
    """The plan that a JSON value describes; its `id` is not read.

    Raises:
        InvalidFields: it is none; says which fields are wrong.
    """
    return fields.read(_JOB, value).plan(value)


def unmasked(value: Any, known: JobSecrets) -> Any:
    """A Job's body with the secrets of the known one where it has masks."""
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
    """The items that `job_json.of_payload` gave."""
    return tuple(each.payload() for each in fields.read(_PAYLOAD, body))


def parse_configuration(body: dict[str, Any]) -> JobConfiguration:
    """The configuration that `job_json.of_configuration` gave."""
    return fields.read(_CONFIGURATION, body).configuration()


def parse_secrets(body: dict[str, Any]) -> JobSecrets:
    """The secrets of a Job that `job_json.of_secrets` gave."""
    return JobSecrets(
        sink=None if body["sink"] is None else sinks.stored(body["sink"]),
        proxy=body["proxy"],
        configuration_proxy=body["configurationProxy"],
        notifications=tuple(Webhook.stored(each) for each in body["notifications"]),
    )
