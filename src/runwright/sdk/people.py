"""`ask_person`: wait for a person who knows what the automation does not."""

from __future__ import annotations

from runwright.sdk.context import current

_MAX_QUESTION_LENGTH = 1000
_MAX_SECONDS = 86_400.0


class NobodyAnswered(TimeoutError):
    """Nobody answered `ask_person` within its timeout."""


async def ask_person(question: str, *, timeout: float = 600.0, secret: bool = False) -> str:  # noqa: ASYNC109 - the wait is bounded by the Worker, which keeps the clock
    """Show a question to the people watching the Run, wait, and return what one of them types.

    The answer is empty when the person merely pressed Done, having done what was asked in the live view.
    The Attempt's clock is stopped meanwhile; `timeout`, in seconds, limits the wait instead.
    `secret` keeps the answer out of the log and the trace.

    Raises:
        NobodyAnswered: the timeout expired.
        ValueError: the question is empty or longer than 1,000 characters, or the timeout is not above
            0 and at most 86,400 s.
        RuntimeError: another question of this Attempt is still open.
    """
    if not question.strip() or len(question) > _MAX_QUESTION_LENGTH:
        raise ValueError(
            f"ask_person: the question must have 1 to {_MAX_QUESTION_LENGTH} characters"
        )
    if not 0 < timeout <= _MAX_SECONDS:
        raise ValueError(
            f"ask_person: `timeout` must be above 0 and at most {_MAX_SECONDS:g} seconds"
        )
    answer = await current().ask(question, timeout, secret)
    if answer is None:
        raise NobodyAnswered(f"nobody answered within {timeout:g} s: {question}")
    return answer
