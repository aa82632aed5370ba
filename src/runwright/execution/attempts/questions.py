"""The Questions of an Attempt: asks a person and waits for the answer, with the Attempt's clock stopped."""

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
"""The clock stops for at most this much longer than the Question's own timeout, whatever the database does."""
_UNWATCHED_SECONDS = 120.0
"""A recording that nobody has watched for this long is over."""


class Questions:
    """The Questions of one Attempt, one at a time."""

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
        """Ask a person; the answer goes to the Runner."""
        if self._waiting is None:
            self._clock.pause(asked.timeout_seconds + _SPARE_SECONDS)
            self._waiting = (asked.id, asyncio.create_task(self._ask(runner, asked)))

    async def withdraw(self, question_id: str) -> None:
        """Withdraw the Question, if it is the one being asked."""
        if self._waiting is not None and self._waiting[0] == question_id:
            await self.close()

    async def close(self) -> None:
        """Stop asking; the clock resumes."""
        if self._waiting is None:
            return
        task = self._waiting[1]
        self._waiting = None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._clock.resume()

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
            # Another Worker has the Run by now; this Attempt is about to be interrupted.
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
        self._clock.resume()
        with contextlib.suppress(OSError):
            await runner.send(protocol.Answer(id=asked.id, text=text))

    async def _answer(self, question: Question, until: float) -> str | None:
        self._log.say(f"asking a person: {question.text}")
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
                self._log.say("nobody is watching the recording anymore")
                return None
            text = waiting.result()
        finally:
            waiting.cancel()
            leaving.cancel()
        seconds = loop.time() - begun
        what = "nobody answered within" if text is None else "a person answered after"
        self._log.say(f"{what} {seconds:.0f} s")
        return text

    async def _until_nobody_records(self) -> None:
        """Wait until nobody has watched a recording for a while; never returns for other Attempts."""
        while True:
            if self._claim.plan.api != RECORD_API or self._screen.is_watched.is_set():
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            try:
                async with asyncio.timeout(_UNWATCHED_SECONDS):
                    await self._screen.is_watched.wait()
            except TimeoutError:
                return
