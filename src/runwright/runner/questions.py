"""What this Runner's Attempt asks a person: one question at a time, answered through the Worker."""

from __future__ import annotations

import asyncio
import uuid

from runwright import protocol
from runwright.runner.channel import Send


class Questions:
    """Asks, and takes the answers; the Worker keeps the time."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open: tuple[str, asyncio.Future[str | None]] | None = None
        self.secrets: list[str] = []
        """Answers that neither log nor trace of the Attempt may show."""

    async def ask(self, question: str, seconds: float, is_secret: bool) -> str | None:  # noqa: FBT001 - as the SDK's context has it
        """Return what a person answers, None when nobody does in time.

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
        """Take an answer; one to a question that is no longer open is dropped."""
        if self._open is not None and self._open[0] == answer.id and not self._open[1].done():
            self._open[1].set_result(answer.text)
