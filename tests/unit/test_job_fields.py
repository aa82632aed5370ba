"""The fields of a Job one by one: what each accepts, and its limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runwright.domain.jobs import job_json, job_text
from runwright.domain.jobs.jobs import JobPlan, JobRunStatus, is_job_id
from runwright.domain.text.fields import InvalidFields

_ITEM: dict[str, Any] = {"apiName": "a", "parameters": {}}
_BODY: dict[str, Any] = {"payload": [_ITEM], "configuration": {}}


def _configured(**configuration: Any) -> JobPlan:
    return job_text.parse({**_BODY, "configuration": configuration})


@pytest.mark.parametrize("value", [0, 101, 1.5, "1", True, [1]])
def test_what_is_no_number_of_attempts(value: Any) -> None:
    with pytest.raises(InvalidFields, match="integer from 1 to 100") as caught:
        _configured(retry={"maximumAttempts": value})

    assert caught.value.problems[0].path == "configuration.retry.maximumAttempts"


@pytest.mark.parametrize(("value", "number"), [(1, 1), (100, 100), (2.0, 2)])
def test_a_number_is_whole_however_it_is_written(value: float, number: int) -> None:
    found = _configured(retry={"maximumAttempts": value}).configuration.maximum_attempts

    assert found == number
    assert isinstance(found, int)


def test_a_configuration_reads_back_as_it_is_written() -> None:
    body = {
        "retry": {"maximumAttempts": 4},
        "requestTimeout": 7,
        "maxConcurrentRequests": 2,
        "maxRuns": 3,
    }

    configuration = _configured(**body).configuration

    assert configuration.request_timeout == timedelta(seconds=7)
    assert job_json.of_configuration(configuration) == body
    assert job_text.parse_configuration(body) == configuration


def test_items_read_back_as_they_are_written() -> None:
    payload = job_text.parse({**_BODY, "payload": [_ITEM, {**_ITEM, "retry": {}}]}).payload

    assert job_text.parse_payload([job_json.of_payload(each) for each in payload]) == payload


def test_what_of_a_job_is_sealed_reads_back() -> None:
    secrets = job_text.parse(
        {
            **_BODY,
            "configuration": {"proxy": "socks5://u:p1@h:1"},
            "proxy": "http://u:p2@h:1",
        }
    ).secrets

    assert secrets.configuration_proxy == "socks5://u:p1@h:1"
    assert job_text.parse_secrets(job_json.of_secrets(secrets)) == secrets


def test_a_schedule_is_kept_as_the_caller_wrote_it() -> None:
    body = {"intervals": [{"every": "1h"}]}

    plan = job_text.parse({**_BODY, "schedule": body})

    assert plan.schedule is not None
    assert plan.schedule_body == body


@pytest.mark.parametrize(("api", "is_one"), [("", False), ("a" * 500, True), ("a" * 501, False)])
def test_the_name_of_an_api_has_bounds(api: str, is_one: bool) -> None:
    body = {**_BODY, "payload": [{**_ITEM, "apiName": api}]}

    if is_one:
        assert job_text.parse(body).payload[0].api == api
    else:
        with pytest.raises(InvalidFields, match="name of an API"):
            job_text.parse(body)


@pytest.mark.parametrize(
    ("body", "checks", "creates", "save_trace"),
    [
        ({}, 3, 3, None),
        ({"checkAttempts": 1, "createAttempts": 2, "saveTrace": False}, 1, 2, False),
        ({"createAttempts": None, "saveTrace": None}, 3, 3, None),
    ],
)
def test_a_session_is_checked_and_made_so_often(
    body: dict[str, Any], checks: int, creates: int, save_trace: bool | None
) -> None:
    session = job_text.parse({**_BODY, "auth_session": {"id": "s", **body}}).session

    assert session is not None
    assert (session.check_attempts, session.create_attempts) == (checks, creates)
    assert session.save_trace is save_trace


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"auth_session": {"id": 5}}, "auth_session.id"),
        ({"notifications": [{"type": "webhook", "url": "ftp://x"}]}, "notifications.0.url"),
        (
            {"notifications": [{"type": "webhook", "url": "https://x", "headers": {"a": 1}}]},
            "notifications.0.headers.a",
        ),
    ],
)
def test_a_field_is_named_by_where_it_stands(body: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        job_text.parse({**_BODY, **body})

    assert caught.value.problems[0].path == path


def test_a_job_tells_up_to_ten() -> None:
    webhook = {"type": "webhook", "url": "https://x/"}

    found = job_text.parse({**_BODY, "notifications": [webhook] * 10}).secrets.notifications

    assert len(found) == 10
    assert found[0].headers == ()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a", True), ("A.b_c~d-9", True), ("a" * 128, True), ("a" * 129, False), ("", False),
     ("-a", False), ("a/b", False), ("a\n", False)],
)  # fmt: skip
def test_what_is_a_job_s_id(text: str, is_one: bool) -> None:
    assert is_job_id(text) is is_one


def test_a_job_run_is_active_until_it_has_ended() -> None:
    active = {status.value for status in JobRunStatus if status.is_active}

    assert active == {"PENDING", "PAUSING", "PAUSED", "RESUMING"}
