"""What an Attempt asks a person: put to them, waited for, answered; the Attempt's clock stands still meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

from runwright import protocol
from runwright.control.base.platform import Platform
from runwright.control.runs import questions
from runwright.control.runs.claims import Claim
from runwright.db_retry import patiently
from runwright.domain.auth_sessions import RECORD_API
from runwright.domain.questions import Question
from runwright.execution.attempts.clock import Clock
from runwright.execution.attempts.log_writer import LogWriter
from runwright.execution.attempts.screen import Screen
from runwright.execution.runners.runner_process import RunnerProcess

_LOOK_SECONDS = 1.0
_SPARE_SECONDS = 30.0
"""Longer than the question the clock does not stand still, whatever the database does."""
_UNWATCHED_SECONDS = 120.0
"""A recording that nobody watches for so long is over."""


class Questions:
    """The questions of one Attempt, one at a time."""

    def __init__(
        self, platform: Platform, claim: Claim, screen: Screen, clock: Clock, log: LogWriter
    ) -> None:
        self._platform = platform
        self._claim = claim
        self._screen = screen
        self._clock = clock
        self._log = log
        self._waiting: tuple[str, asyncio.Task[None]] | None = None

    def ask(self, runner: RunnerProcess, asked: protocol.Ask) -> None:
        """Put a question to people; its answer goes to the Runner."""
        if self._waiting is None:
            self._clock.stand_still(asked.timeout_seconds + _SPARE_SECONDS)
            self._waiting = (asked.id, asyncio.create_task(self._ask(runner, asked)))

    async def withdraw(self, question_id: str) -> None:
        """Ask no longer."""
        if self._waiting is not None and self._waiting[0] == question_id:
            await self.close()

    async def close(self) -> None:
        """Ask nothing any more; the clock goes on."""
        if self._waiting is None:
            return
        task = self._waiting[1]
        self._waiting = None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._clock.go_on()

    async def _ask(self, runner: RunnerProcess, asked: protocol.Ask) -> None:
        question = await patiently(
            lambda: questions.ask(
                self._platform,
                self._claim,
                asked.question,
                is_secret=asked.is_secret,
                within=timedelta(seconds=asked.timeout_seconds),
            )
        )
        if question is None:
            # Another Worker has the Run by now; this Attempt is about to be told.
            return
        until = asyncio.get_running_loop().time() + asked.timeout_seconds
        self._screen.set_question(question, until)
        try:
            text = await self._answer(question, until)
        except asyncio.CancelledError:
            await asyncio.shield(questions.end(self._platform, question))
            raise
        finally:
            self._screen.set_question(None)
        if asked.is_secret and text:
            self._log.hide(text)
        self._waiting = None
        self._clock.go_on()
        with contextlib.suppress(OSError):
            await runner.send(protocol.Answer(id=asked.id, text=text))

    async def _answer(self, question: Question, until: float) -> str | None:
        self._log.say(f"asks a person: {question.text}")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        waiting = asyncio.ensure_future(
            patiently(lambda: questions.wait(self._platform, question, until=until))
        )
        leaving = asyncio.ensure_future(self._until_nobody_records())
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await questions.end(self._platform, question)
                self._log.say("nobody watches the recording any more")
                return None
            text = waiting.result()
        finally:
            waiting.cancel()
            leaving.cancel()
        seconds = loop.time() - begun
        what = "nobody answered" if text is None else "a person answered"
        self._log.say(f"{what}, after {seconds:.0f} s")
        return text

    async def _until_nobody_records(self) -> None:
        """Return once a recording was watched by nobody for a while; never of another Attempt."""
        while True:
            if self._claim.plan.api != RECORD_API or self._screen.is_watched.is_set():
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            try:
                async with asyncio.timeout(_UNWATCHED_SECONDS):
                    await self._screen.is_watched.wait()
            except TimeoutError:
                return
