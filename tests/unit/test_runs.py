"""What follows an Attempt."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, strategies as st

from runwright.domain import runs
from runwright.domain.runs import Canceled, Cancellation, Completed, Failed, Failure, Outcome, Retry
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
    failures = tuple(_failure(code=code) for code in codes)

    found = runs.final_failure(failures)

    expected = codes[0] if len(set(codes)) == 1 else FailureCode.ALL_ATTEMPTS_FAILED
    assert found.code is expected
    assert [each["code"] for each in found.details["attempts"]] == codes


@given(st.integers(1, 6))
def test_attempts_never_exceed_the_maximum(maximum: int) -> None:
    earlier: tuple[Failure, ...] = ()
    while isinstance(_after(Outcome(failure=_failure()), earlier, maximum), Retry):
        earlier = (*earlier, _failure())

    assert len(earlier) + 1 == maximum
