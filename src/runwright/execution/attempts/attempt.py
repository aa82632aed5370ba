"""One Attempt on one Runner: send it, follow its events, keep its clock, return its outcome.

The Worker keeps the clock. At the deadline the author's task is canceled; after the grace period the
whole process tree is killed, whatever it is doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
import time
from datetime import UTC, datetime
from typing import Any

from runwright import protocol, telemetry
from runwright.config import Settings
from runwright.control.base.platform import Platform
from runwright.domain.auth_sessions import RECORD_API
from runwright.domain.failures import Failure
from runwright.domain.runs import (
    ExtendedPayload,
    Outcome,
)
from runwright.execution.attempts import attempt_failures, result_json
from runwright.execution.attempts.attempt_progress import LOOK_SECONDS, AttemptProgress
from runwright.execution.attempts.author_environment import AuthorEnvironment
from runwright.execution.attempts.file_keeper import FileKeeper
from runwright.execution.attempts.log_writer import LogWriter
from runwright.execution.attempts.questions import Questions
from runwright.execution.attempts.running_attempt import Interruption, RunningAttempt
from runwright.execution.outgoing.outgoing import Outgoing
from runwright.execution.runners.runner_process import Exited, RunnerProcess
from runwright.redaction import Redactor

log = telemetry.logger(__name__)

_LATE_SECONDS = 0.05
"""How long messages sent before the deadline may take to arrive, for example while the Worker was stopped."""
_KILL_MEMORY_FACTOR = 1.5
_STATE_SECONDS = 6.0
"""Longer than the Runner's own limit for capturing a state."""


class Attempt:
    """Executes one claimed Attempt."""

    def __init__(
        self, platform: Platform, running: RunningAttempt, environment: AuthorEnvironment
    ) -> None:
        self._platform = platform
        self._settings: Settings = platform.settings
        self._running = running
        self._claim = running.claim
        self._environment = environment
        self._progress = AttemptProgress()
        self._redactor = Redactor(running.claim.secrets)
        self._log = LogWriter(platform, running.claim, self._redactor)
        self._files = FileKeeper(platform, running.claim, self._log)
        clock = self._progress.clock
        self._questions = Questions(platform, running.claim, running.screen, clock, self._log)
        self._outgoing = Outgoing(None, self._log.warn)

    async def run(self, runner: RunnerProcess, project_proxy: str | None) -> Outcome:
        """Run the author's code and return its outcome, also when interrupted."""
        self._outgoing = Outgoing(self._claim.plan.proxy or project_proxy, self._log.warn)
        progress = self._progress
        progress.clock.restart(self._settings.runner_start_timeout.total_seconds())
        try:
            await runner.send(await self._start(await self._outgoing.open()))
            self._running.screen.attach(runner, self._log.say)
            outcome = await self._follow(runner)
        except ConnectionError:
            # It died just before a message to it was sent.
            await runner.kill()
            outcome = self._failed(attempt_failures.crashed("the connection to it was lost", None))
        except (OSError, protocol.ProtocolError) as error:
            await runner.kill()
            outcome = Outcome(failure=attempt_failures.broken_runner(error))
        finally:
            self._running.screen.detach()
            await self._questions.close()
        progress.is_over = True
        await self._log.flush()
        return outcome

    async def _start(self, proxy: protocol.Proxy | None) -> protocol.Start:
        claim = self._claim
        return protocol.Start(
            run_id=claim.run_id,
            attempt=claim.attempt,
            kind="record" if claim.plan.api == RECORD_API else claim.kind.value,
            start_url=None if claim.plan.session is None else claim.plan.session.start_url,
            finish_url=None if claim.plan.session is None else claim.plan.session.finish_url,
            api=claim.plan.api,
            parameters=claim.plan.parameters,
            save_trace=claim.plan.save_trace,
            save_har=claim.plan.save_har,
            environment=await self._environment.of_attempt(claim),
            token=self._environment.token(claim),
            proxy=proxy,
            job_id=claim.job_id,
            job_run_id=claim.job_run_id,
            auth_session_id=None if claim.plan.session is None else claim.plan.session.id,
            auth_state=claim.auth_state,
            parent_run_id=claim.parent_id,
            secrets=claim.secrets,
        )

    async def recover(self, runner: RunnerProcess) -> bool:
        """Receive what the Runner sends after the outcome; True when it is fit for another Attempt."""
        is_over = self._progress.is_over and self._progress.stop_reason is None
        try:
            return await self._receive_artifacts(runner) and is_over
        finally:
            await self._outgoing.close()

    async def _follow(self, runner: RunnerProcess) -> Outcome:
        while True:
            event = await self._next_event(runner)
            match event:
                case protocol.Started():
                    if self._progress.author_started_at is None:
                        self._progress.author_started_at = _moment(event.at)
                        self._restart_clock()
                case protocol.ExtendTimeout():
                    self._restart_clock()
                case protocol.Ended():
                    outcome = await self._end(event)
                    await self._files.settle()
                    return await self._with_state(runner, event, outcome)
                case Exited():
                    return self._crashed(event)
                case _:
                    await self._take_in_passing(runner, event)

    async def _take_in_passing(self, runner: RunnerProcess, event: object) -> None:
        match event:
            case protocol.Ask():
                self._questions.ask(runner, event)
            case protocol.Withdraw():
                await self._questions.withdraw(event.id)
            case protocol.File():
                self._files.keep_soon(runner.files_directory, event)
            case _:
                self._take_line(event)

    async def _with_state(
        self, runner: RunnerProcess, ended: protocol.Ended, outcome: Outcome
    ) -> Outcome:
        """Add the auth state that the Runner sends after the outcome, unless it takes too long."""
        if not ended.is_state_to_come or outcome.result is None:
            return outcome
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STATE_SECONDS):
                while not isinstance(event := await runner.receive(), Exited):
                    if isinstance(event, protocol.AuthState):
                        return dataclasses.replace(outcome, auth_state=event.auth_state)
                    await self._take_in_passing(runner, event)
        return outcome

    async def _is_to_look(self, runner: RunnerProcess) -> bool:
        """True when the clock, an interruption or memory needs attention.

        Messages that had arrived by the deadline are processed before it counts: the end may be among them.
        """
        progress = self._progress
        if progress.clock.left <= 0:
            if progress.unheard is None:
                await asyncio.sleep(_LATE_SECONDS)
                progress.unheard = runner.waiting
            progress.unheard -= 1
            return progress.unheard < 0
        progress.unheard = None
        if self._running.interruption is not None and progress.stop_reason is None:
            return True
        if time.monotonic() < progress.look_at:
            return False
        progress.look_at = time.monotonic() + LOOK_SECONDS
        return True

    async def _next_event(self, runner: RunnerProcess) -> object:
        """Return the next event; clock and memory are checked in between, however much the Runner sends."""
        while True:
            if await self._is_to_look(runner):
                await self._look(runner)
            event = await self._received(runner)
            if event is not None:
                return event

    async def _received(self, runner: RunnerProcess) -> object | None:
        """Return the next event, or None when something else needs attention."""
        if runner.waiting:
            return await runner.receive()
        left = min(self._progress.clock.left, LOOK_SECONDS)
        if left <= 0:
            return None
        receiving = asyncio.ensure_future(runner.receive())
        waited: set[asyncio.Future[Any]] = {receiving}
        interrupted: asyncio.Future[Any] | None = None
        if self._progress.stop_reason is None:
            interrupted = asyncio.ensure_future(self._running.interrupted.wait())
            waited.add(interrupted)
        try:
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else None
        finally:
            if not receiving.done():
                receiving.cancel()
            if interrupted is not None:
                interrupted.cancel()

    async def _look(self, runner: RunnerProcess) -> None:
        progress = self._progress
        interruption = self._running.interruption
        if progress.stop_reason is not None:
            if progress.clock.left <= 0:
                await self._kill(runner)
        elif interruption is not None:
            await self._ask_to_stop(runner, interruption.value)
        elif progress.clock.left <= 0:
            await self._ask_to_stop(runner, "timeout")
        elif runner.memory_bytes() > self._settings.runner_memory_bytes * _KILL_MEMORY_FACTOR:
            progress.is_killed_for_memory = True
            await self._kill(runner)

    async def _ask_to_stop(self, runner: RunnerProcess, reason: str) -> None:
        self._progress.stop_reason = reason
        grace = (
            self._settings.drain_grace
            if reason == Interruption.DRAINING
            else self._settings.cancel_grace
        )
        if reason == Interruption.DRAINING:
            # The author's code may still finish; leave it alone until the grace period is over.
            self._progress.clock.end_in(min(self._progress.clock.left, grace.total_seconds()))
            return
        self._progress.clock.end_in(grace.total_seconds())
        if reason == Interruption.LOST:
            await self._kill(runner)
            return
        await runner.send(protocol.Cancel(reason=reason))

    async def _kill(self, runner: RunnerProcess) -> None:
        """Kill the Runner; only its `Exited` can follow, so the clock is switched off."""
        await runner.kill()
        self._progress.clock.end_in(math.inf)

    def _restart_clock(self) -> None:
        if self._progress.stop_reason is None:
            self._progress.clock.restart(self._claim.plan.request_timeout.total_seconds())

    async def _end(self, ended: protocol.Ended) -> Outcome:
        """Turn the Runner's report into an outcome; author's code that took over a Runner can send anything.

        Raises:
            ProtocolError: the report is not a valid outcome.
        """
        try:
            json.dumps([ended.attributes, ended.extended_payloads], allow_nan=False)
            self._progress.attributes = ended.attributes
            return await self._outcome(ended)
        except (KeyError, TypeError, ValueError) as error:
            raise protocol.ProtocolError(f"it reported an invalid outcome: {error}") from error

    async def _outcome(self, ended: protocol.Ended) -> Outcome:
        is_in_time = ended.result is not None and not ended.was_cancelled
        if self._progress.stop_reason == "timeout" and not is_in_time:
            return self._failed(attempt_failures.timed_out(self._claim.plan.request_timeout))
        if ended.failure is not None:
            return self._failed(attempt_failures.reported(ended.failure, self._redactor))
        if ended.result is None:
            asked = self._progress.stop_reason is not None
            return self._failed(
                attempt_failures.interrupted() if asked else attempt_failures.ended_itself()
            )
        if len(ended.result) > self._settings.max_result_bytes:
            return self._failed(
                attempt_failures.too_big(len(ended.result), self._settings.max_result_bytes)
            )
        await result_json.check(ended.result)
        payloads = tuple(
            ExtendedPayload(api=str(item["api"]), parameters=dict(item["parameters"]))
            for item in ended.extended_payloads
        )
        return Outcome(
            result=ended.result,
            extended_payloads=payloads,
            author_started_at=self._progress.author_started_at,
            attributes=self._progress.attributes,
            auth_state=ended.auth_state,
        )

    def _crashed(self, exited: Exited) -> Outcome:
        if self._progress.stop_reason == "timeout":
            return self._failed(attempt_failures.timed_out(self._claim.plan.request_timeout))
        if self._running.interruption is not None:
            return self._failed(attempt_failures.interrupted())
        limit = self._settings.runner_memory_bytes if self._progress.is_killed_for_memory else None
        most_bytes = None if limit is None else int(limit * _KILL_MEMORY_FACTOR)
        return self._failed(attempt_failures.crashed(exited.description, most_bytes))

    def _failed(self, failure: Failure) -> Outcome:
        return Outcome(
            failure=failure,
            author_started_at=self._progress.author_started_at,
            attributes=self._progress.attributes,
        )

    def _take_line(self, event: object) -> None:
        if isinstance(event, protocol.Log):
            self._log.add(_moment(event.at), event.stream, event.level, event.text)

    async def _receive_artifacts(self, runner: RunnerProcess) -> bool:
        """Receive files and log lines until the Runner is ready, retires, dies or takes too long."""
        try:
            limit = self._settings.trace_timeout + self._settings.download_timeout
            async with asyncio.timeout(limit.total_seconds()):
                while True:
                    event = await runner.receive()
                    match event:
                        case protocol.Ready():
                            return True
                        case protocol.Retiring() | Exited():
                            return False
                        case protocol.File():
                            self._files.keep_soon(runner.files_directory, event)
                        case _:
                            self._take_line(event)
        except TimeoutError:
            log.warning(
                "runner did not become ready again after an attempt",
                event_name="runner_stuck",
                run_id=self._claim.run_id,
            )
            return False
        finally:
            await self._files.finish()
            await self._log.flush()


def _moment(at: float) -> datetime:
    """The time that a Runner reported; now, if it is out of range."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)
