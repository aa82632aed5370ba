"""Questions of this Runner's Attempt to a person: one at a time, answered through the Worker."""

from __future__ import annotations

import asyncio
import uuid

from runwright import protocol
from runwright.runner.channel import Send


class Questions:
    """Asks questions and receives the answers; the Worker enforces the time limit."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open: tuple[str, asyncio.Future[str | None]] | None = None
        self.secrets: list[str] = []
        """Answers that must appear in neither the log nor the trace of the Attempt."""

    async def ask(self, question: str, seconds: float, is_secret: bool) -> str | None:  # noqa: FBT001 - as the SDK's context has it
        """Return a person's answer, or None when nobody answers in time.

        Raises:
            RuntimeError: another question is open.
        """
        if self._open is not None:
            raise RuntimeError("ask_person: another question of this attempt is still open")
        answered: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        question_id = uuid.uuid4().hex
        self._open = (question_id, answered)
        ask = protocol.Ask(
            id=question_id, question=question, timeout_seconds=seconds, is_secret=is_secret
        )
        self._send(ask)
        try:
            text = await answered
        finally:
            self._open = None
            if not answered.done() or answered.cancelled():
                self._send(protocol.Withdraw(id=question_id))
        if is_secret and text:
            self.secrets.append(text)
        return text

    def receive(self, answer: protocol.Answer) -> None:
        """Accept an answer; one to a question that is no longer open is dropped."""
        if self._open is not None and self._open[0] == answer.id and not self._open[1].done():
            self._open[1].set_result(answer.text)
