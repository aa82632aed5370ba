"""`ask_person`: waiting for somebody who knows what the automation does not."""

from __future__ import annotations

from runwright.sdk.context import current

_MAX_QUESTION_LENGTH = 1000
_MAX_SECONDS = 86_400.0


class NobodyAnswered(TimeoutError):
    """Nobody answered what `ask_person` asked, in the time it gave."""


async def ask_person(question: str, *, timeout: float = 600.0, secret: bool = False) -> str:  # noqa: ASYNC109 - the wait is bounded by the Worker, which keeps the clock
    """Show the question to whoever watches the Run, wait, and return what they typed.

    The text is empty when the person only pressed Done, after doing in the live view what was asked.
    The Attempt's clock stands still meanwhile; `timeout`, in seconds, bounds the wait instead.
    `secret` keeps the answer out of the log and the trace.

    Raises:
        NobodyAnswered: the time was up.
        ValueError: the question is empty or has more than 1,000 characters, or the time is not
            between 0 and 86,400 s.
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
