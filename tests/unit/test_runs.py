"""What follows an Attempt."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, strategies as st

from runwright.domain import failures, runs
from runwright.domain.runs import (
    Canceled,
    Cancellation,
    Completed,
    Failed,
    Failure,
    Outcome,
    Retry,
    RunStatus,
)
from runwright.errors import CancelReason, Category, FailureCode

_DELAY = timedelta(seconds=1)


def _failure(*, code: FailureCode = FailureCode.TIMEOUT, retryable: bool = True) -> Failure:
    return Failure(code=code, category=Category.EXECUTION, message=code.value, retryable=retryable)


def _after(outcome: Outcome, earlier: tuple[Failure, ...] = (), maximum: int = 3) -> runs.Next:
    return runs.after(outcome, earlier=earlier, maximum_attempts=maximum, retry_delay=_DELAY)


def test_a_result_completes() -> None:
    assert isinstance(_after(Outcome(result="1"), (_failure(),)), Completed)


def test_a_cancellation_cancels_whatever_attempts_are_left() -> None:
    cancellation = Cancellation(reason=CancelReason.CANCELLED_USER_ACTION, message="")

    assert isinstance(_after(Outcome(cancellation=cancellation)), Canceled)


def test_a_failure_is_tried_again_after_the_delay() -> None:
    following = _after(Outcome(failure=_failure()))

    assert isinstance(following, Retry)
    assert following.delay == _DELAY


def test_a_final_failure_is_not_tried_again() -> None:
    assert isinstance(_after(Outcome(failure=_failure(retryable=False))), Failed)


def test_one_attempt_fails_with_its_own_failure() -> None:
    failure = _failure()

    assert _after(Outcome(failure=failure), maximum=1) == Failed(failure=failure)


@given(
    st.lists(
        st.sampled_from([FailureCode.TIMEOUT, FailureCode.PROCESS_CRASHED]), min_size=2, max_size=6
    )
)
def test_several_failures_share_a_code_or_are_summed_up(codes: list[FailureCode]) -> None:
    several = tuple(_failure(code=code) for code in codes)

    found = runs.final_failure(several)

    expected = codes[0] if len(set(codes)) == 1 else FailureCode.ALL_ATTEMPTS_FAILED
    assert found.code is expected
    assert [each["code"] for each in found.details["attempts"]] == codes
    assert [each["attempt"] for each in found.details["attempts"]] == [*range(1, len(codes) + 1)]
    assert not found.retryable
    last = f"All {len(codes)} attempts failed, not all for the same reason; the last: {codes[-1]}"
    assert found.message == (codes[0] if len(set(codes)) == 1 else last)


def test_failures_of_a_kind_keep_their_category() -> None:
    code, category = FailureCode.AUTH_CHECK_FAILED, Category.AUTH
    failure = Failure(code=code, category=category, message="", retryable=True)

    assert runs.final_failure((failure, failure)).category is Category.AUTH
    assert runs.final_failure((_failure(), failure)).category is Category.EXECUTION


def test_the_failure_of_a_lost_worker_may_be_tried_again() -> None:
    found = failures.lost_worker(2)

    assert found.retryable
    assert found.code is FailureCode.PROCESS_CRASHED
    assert found.details == {"crashed": "worker"}


def test_a_run_is_over_once_it_has_ended_in_one_of_three_ways() -> None:
    ended = {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED}

    assert {status for status in RunStatus if status.is_terminal} == ended


@given(st.integers(1, 6))
def test_attempts_never_exceed_the_maximum(maximum: int) -> None:
    earlier: tuple[Failure, ...] = ()
    while isinstance(_after(Outcome(failure=_failure()), earlier, maximum), Retry):
        earlier = (*earlier, _failure())

    assert len(earlier) + 1 == maximum
