"""What a Run does about its AuthSession, and what it reports when that is not valid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from runwright.domain import auth_sessions
from runwright.domain.auth_sessions import (
    AuthSession,
    SessionPlan,
    SessionSource,
    SessionStatus,
    SessionType,
    Step,
)
from runwright.domain.failures import Failure
from runwright.domain.ids import ProjectId
from runwright.errors import Category, FailureCode
from runwright.redaction import Redactor, secrets_of_parameters, secrets_of_state

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _session(
    status: SessionStatus = SessionStatus.READY,
    kind: SessionType = SessionType.CREDENTIALS,
    checked: float | None = 1000,
) -> AuthSession:
    return AuthSession(
        project_id=ProjectId(uuid4()),
        id="s",
        type=kind,
        status=status,
        source=SessionSource.API,
        created_at=NOW,
        updated_at=NOW,
        checked_at=None if checked is None else NOW - timedelta(seconds=checked),
    )


def _step(
    session: AuthSession,
    plan: SessionPlan | None = None,
    *,
    same: bool = True,
    retry: bool = False,
    mended: bool = False,
) -> Step:
    return auth_sessions.next_step(
        session,
        plan or SessionPlan(id="s"),
        has_same_input=same,
        is_retry=retry,
        was_mended=mended,
        now=NOW,
    )


def test_a_ready_session_is_checked_before_every_run() -> None:
    assert _step(_session(checked=0)) is Step.CHECK
    assert _step(_session(checked=None)) is Step.CHECK


def test_a_check_that_passed_lately_is_not_repeated_unless_an_attempt_has_failed() -> None:
    plan = SessionPlan(id="s", check_every=timedelta(seconds=60))

    assert _step(_session(checked=59), plan) is Step.USE
    assert _step(_session(checked=60), plan) is Step.CHECK
    assert _step(_session(checked=59), plan, retry=True) is Step.CHECK


def test_who_waited_for_a_repair_uses_what_it_made() -> None:
    assert _step(_session(checked=1), mended=True) is Step.USE
    assert _step(_session(checked=30), mended=True) is Step.CHECK
    assert _step(_session(checked=1), mended=True, retry=True) is Step.CHECK


@pytest.mark.parametrize(
    ("session", "step"),
    [
        (_session(SessionStatus.PENDING, checked=None), Step.MEND),
        (_session(SessionStatus.EXPIRED), Step.MEND),
        (_session(SessionStatus.EXPIRED, SessionType.RECORDER), Step.CHECK),
    ],
)
def test_what_is_not_ready_is_mended_where_it_can_be(session: AuthSession, step: Step) -> None:
    assert _step(session) is step


def test_an_expired_session_that_may_not_be_made_again_is_given_a_chance() -> None:
    plan = SessionPlan(id="s", auto_recreate=False)

    assert _step(_session(SessionStatus.EXPIRED), plan) is Step.CHECK
    assert not auth_sessions.can_recreate(_session(), plan)


def test_another_input_never_uses_what_was_made_from_this_one() -> None:
    assert _step(_session(kind=SessionType.RUNTIME, checked=0), same=False) is Step.MEND


def test_a_runtime_session_is_made_again_only_with_its_input() -> None:
    session = _session(kind=SessionType.RUNTIME)

    assert not auth_sessions.can_recreate(session, SessionPlan(id="s"))
    assert auth_sessions.can_recreate(session, SessionPlan(id="s", parameters={"a": 1}))


@pytest.mark.parametrize(
    ("kind", "is_allowed"), [(SessionType.CREDENTIALS, True), (SessionType.RECORDER, False)]
)
def test_what_a_person_recorded_is_not_made_again(kind: SessionType, is_allowed: bool) -> None:
    assert auth_sessions.can_recreate(_session(kind=kind), SessionPlan(id="s")) is is_allowed


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a-B_9", True), ("", False), ("create", False), ("a/b", False), ("a" * 129, False)],
)
def test_ids(text: str, is_one: bool) -> None:
    assert auth_sessions.is_session_id(text) is is_one


def test_a_failure_tells_every_attempt_and_details_of_the_last() -> None:
    first = auth_sessions.not_signed_in("false")
    last = Failure(
        code=FailureCode.EXECUTION_EXCEPTION,
        category=Category.EXECUTION,
        message="ValueError: no",
        retryable=True,
        details={"type": "ValueError"},
    )

    found = auth_sessions.check_failed([first, last])

    assert found.code is FailureCode.CHECK_ATTEMPTS_FAILED
    assert found.category is Category.AUTH
    assert found.message == "Each of 2 attempts of the check failed; the last: ValueError: no"
    assert found.details["type"] == "ValueError"
    assert found.details["attempts"] == [
        {"attempt": 1, "code": "auth-check-failed", "message": first.message},
        {"attempt": 2, "code": "script-execution-exception", "message": "ValueError: no"},
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [("false", "`check` returned False: "), ("[1]", "`check` returned [1], which is not True: ")],
)
def test_an_answer_of_a_check_is_told_and_the_check_repeated(answer: str, said: str) -> None:
    found = auth_sessions.not_signed_in(answer)

    assert found.message.startswith(said)
    assert found.retryable


@pytest.mark.parametrize(
    ("sum_up", "code", "message"),
    [
        (auth_sessions.check_failed, FailureCode.CHECK_ATTEMPTS_FAILED, "The check failed; "),
        (auth_sessions.create_failed, FailureCode.CREATE_ATTEMPTS_FAILED, "The create failed; "),
        (
            auth_sessions.post_create_check_failed,
            FailureCode.POST_CREATE_CHECK_ATTEMPTS_FAILED,
            "The check after create failed; ",
        ),
    ],
)
def test_what_failed_for_good_says_what_it_was(
    sum_up: Callable[[list[Failure]], Failure], code: FailureCode, message: str
) -> None:
    found = sum_up([auth_sessions.not_signed_in("false")])

    assert found.code is code
    assert found.message.startswith(message)
    assert not found.retryable


def test_secrets_are_taken_out_in_every_form_they_have_in_texts() -> None:
    parameters = {"user": "anna", "nested": [{"password": 'q"uo\\te'}], "pin": 71, "on": True}
    redactor = Redactor(secrets_of_parameters(parameters))

    assert redactor.text('anna typed q"uo\\te') == "••• typed •••"
    assert redactor.text('{"password": "q\\"uo\\\\te"}') == '{"password": "•••"}'
    # A short one is not taken out of the middle of something else.
    assert redactor.text("pin 71 of 4710") == "pin ••• of 4710"
    assert redactor.value({"a": ["anna", 1, None]}) == {"a": ["•••", 1, None]}
    assert Redactor(()).text("anna") == "anna"


def test_what_of_a_state_is_secret() -> None:
    state = {
        "cookies": [{"name": "sid", "value": "0123456789"}, {"name": "dark", "value": "1"}],
        "origins": [{"localStorage": [{"name": "t", "value": "a-token-that-is-long"}]}],
        "sessionStorage": [{"origin": "http://a", "items": {"x": "another-long-token", "y": "n"}}],
    }

    assert secrets_of_state(state) == [
        "0123456789",
        "a-token-that-is-long",
        "another-long-token",
    ]
    assert secrets_of_state(None) == []
