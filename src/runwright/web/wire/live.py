"""Bodies for watching a Run and answering its questions."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain.questions import AskedRun, Question
from runwright.web.wire.common import Body, parse, time_text

_DEFAULT_LIFE_SECONDS = 3600
_MAX_LIFE_SECONDS = 7 * 24 * 3600


class LinkBody(Body):
    """How long a link is valid."""

    expires_in: Annotated[
        int, Field(alias="expiresIn", ge=1, le=_MAX_LIFE_SECONDS, strict=True)
    ] = _DEFAULT_LIFE_SECONDS
    """Seconds."""


class AnswerBody(Body):
    """A person's answer."""

    answer: str
    question_id: str | None = Field(default=None, alias="questionId")
    """If set, the answer is rejected when the Run asks a different question by now."""


class LinkAnswer(TypedDict):
    """A link for watching a Run without controlling it."""

    url: str
    socketUrl: str
    """The WebSocket address, for programs."""
    expiresAt: str


class QuestionBody(TypedDict):
    """A question that an Attempt asks a person, and waits for."""

    id: str
    text: str
    isSecret: bool
    runId: str
    """The Run, check or create that asks."""
    attempt: int
    askedAt: str
    expiresAt: str


class AskedRunBody(QuestionBody):
    """A question, and where a person finds it."""

    project: str
    api: str
    shownRunId: str
    """The Run or operation to watch."""


class AnsweredAnswer(TypedDict):
    """An answer was accepted."""

    questionId: str


def parse_link(value: Any) -> timedelta:
    """How long a link is valid."""
    return timedelta(seconds=parse(LinkBody, value).expires_in)


def parse_answer(value: Any) -> tuple[str, str | None]:
    """An answer, and the id of its question."""
    body = parse(AnswerBody, value)
    return body.answer, body.question_id


def question(asked: Question) -> QuestionBody:
    """The body of a question."""
    return {
        "id": asked.id,
        "text": asked.text,
        "isSecret": asked.is_secret,
        "runId": asked.run_id,
        "attempt": asked.attempt,
        "askedAt": time_text(asked.asked_at),
        "expiresAt": time_text(asked.expires_at),
    }


def asked_run(asked: AskedRun) -> AskedRunBody:
    """The body of a question and where it is found."""
    return {
        **question(asked.question),
        "project": asked.project_name,
        "api": asked.api,
        "shownRunId": asked.shown_run_id,
    }
