"""One Attempt on one Runner: send it, follow its events, keep its clock, return how it went.

The clock is the Worker's. At the deadline the author's task is asked to stop; after the grace period
the whole tree of processes is killed, whatever it is doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from runwright import protocol, telemetry
from runwright.config import Settings
from runwright.control import attempts
from runwright.control.attempts import Claim
from runwright.control.platform import Platform
from runwright.domain.failures import Failure
from runwright.domain.runs import (
    ExtendedPayload,
    Outcome,
    RunFile,
)
from runwright.errors import Category, FailureCode
from runwright.execution.author_environment import AuthorEnvironment
from runwright.execution.log_writer import LogWriter
from runwright.execution.runner_process import Exited, RawLine, RunnerProcess
from runwright.redaction import Redactor

log = telemetry.logger(__name__)

_LOOK_SECONDS = 2.0
_KILL_MEMORY_FACTOR = 1.5


class Interruption(StrEnum):
    """Why the Worker stops an Attempt that is not over."""

    CANCELED = "canceled"
    LOST = "lost"
    DRAINING = "draining"


@dataclass(eq=False, kw_only=True, slots=True)
class Hold:
    """A claimed Attempt as this Worker holds it; `interrupt` may come at any time."""

    claim: Claim
    interruption: Interruption | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    parts: list[Hold] = field(default_factory=list["Hold"])
    """The check or create that is carried out for it just now."""

    def interrupt(self, interruption: Interruption) -> None:
        """Stop the Attempt; the first reason stays."""
        if self.interruption is None:
            self.interruption = interruption
            self.interrupted.set()
            for part in self.parts:
                part.interrupt(interruption)

    async def pause(self, delay: timedelta) -> None:
        """Wait, but no longer than to an interruption."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.interrupted.wait(), delay.total_seconds())


@dataclass(eq=False, kw_only=True, slots=True)
class Course:
    """What is known of an Attempt while it runs."""

    author_started_at: datetime | None = None
    deadline: float = 0.0
    stop_reason: str | None = None
    """`timeout`, or the interruption, once the author's task was asked to stop."""
    is_killed_for_memory: bool = False
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    is_over: bool = False


class Attempt:
    """Carries out one claimed Attempt."""

    def __init__(self, platform: Platform, hold: Hold, environment: AuthorEnvironment) -> None:
        self._platform = platform
        self._settings: Settings = platform.settings
        self._hold = hold
        self._claim = hold.claim
        self._environment = environment
        self._course = Course()
        self._redactor = Redactor(hold.claim.secrets)
        self._log = LogWriter(platform, hold.claim, self._redactor)

    async def carry_out(self, runner: RunnerProcess) -> Outcome:
        """Run the author's code and return how it went; an interrupted one too."""
        course = self._course
        course.deadline = _now() + self._settings.runner_start_timeout.total_seconds()
        try:
            await runner.send(await self._start())
            outcome = await self._follow(runner)
        except (OSError, protocol.ProtocolError) as error:
            await runner.kill()
            outcome = Outcome(failure=_broken_runner(error))
        course.is_over = True
        await self._log.flush()
        return outcome

    async def _start(self) -> protocol.Start:
        claim = self._claim
        return protocol.Start(
            run_id=claim.run_id,
            attempt=claim.attempt,
            kind=claim.kind.value,
            api=claim.plan.api,
            parameters=claim.plan.parameters,
            save_trace=claim.plan.save_trace,
            save_har=claim.plan.save_har,
            environment=await self._environment.of_attempt(claim),
            token=self._environment.token(claim),
            proxy=None if claim.plan.proxy is None else _proxy(claim.plan.proxy),
            auth_session_id=None if claim.plan.session is None else claim.plan.session.id,
            auth_state=claim.auth_state,
            parent_run_id=claim.parent_id,
            secrets=claim.secrets,
        )

    async def recover(self, runner: RunnerProcess) -> bool:
        """Take what the Runner hands over after the outcome; return whether it is fit for another."""
        if not self._course.is_over or self._course.stop_reason is not None:
            await self._take_leftovers(runner)
            return False
        return await self._take_leftovers(runner)

    async def _follow(self, runner: RunnerProcess) -> Outcome:
        while True:
            event = await self._next_event(runner)
            match event:
                case None:
                    await self._at_pause(runner)
                case protocol.Started():
                    self._course.author_started_at = datetime.fromtimestamp(event.at, UTC)
                    self._restart_clock()
                case protocol.ExtendTimeout():
                    self._restart_clock()
                case protocol.File():
                    await self._keep_file(event)
                case protocol.Ended():
                    self._course.attributes = event.attributes
                    return self._outcome(event)
                case Exited():
                    return self._crashed(event)
                case _:
                    self._take_line(event)

    async def _next_event(self, runner: RunnerProcess) -> object | None:
        """Return the next event, or None when it is time to look at the clock and the interruption."""
        left = min(self._course.deadline - _now(), _LOOK_SECONDS)
        if left <= 0:
            return None
        receiving = asyncio.ensure_future(runner.receive())
        waited: set[asyncio.Future[Any]] = {receiving}
        interrupted: asyncio.Future[Any] | None = None
        if self._course.stop_reason is None:
            interrupted = asyncio.ensure_future(self._hold.interrupted.wait())
            waited.add(interrupted)
        try:
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else None
        finally:
            if not receiving.done():
                receiving.cancel()
            if interrupted is not None:
                interrupted.cancel()

    async def _at_pause(self, runner: RunnerProcess) -> None:
        course = self._course
        interruption = self._hold.interruption
        if course.stop_reason is not None:
            if _now() >= course.deadline:
                await self._kill(runner)
        elif interruption is not None:
            await self._ask_to_stop(runner, interruption.value)
        elif _now() >= course.deadline:
            await self._ask_to_stop(runner, "timeout")
        elif runner.memory_bytes() > self._settings.runner_memory_bytes * _KILL_MEMORY_FACTOR:
            course.is_killed_for_memory = True
            await self._kill(runner)

    async def _ask_to_stop(self, runner: RunnerProcess, reason: str) -> None:
        self._course.stop_reason = reason
        grace = (
            self._settings.drain_grace
            if reason == Interruption.DRAINING
            else self._settings.cancel_grace
        )
        if reason == Interruption.DRAINING:
            # The author's code may still end by itself; it is not disturbed until the grace is over.
            self._course.deadline = min(self._course.deadline, _now() + grace.total_seconds())
            return
        self._course.deadline = _now() + grace.total_seconds()
        if reason == Interruption.LOST:
            await self._kill(runner)
            return
        await runner.send(protocol.Cancel(reason=reason))

    async def _kill(self, runner: RunnerProcess) -> None:
        """Kill the Runner; all that can follow is its `Exited`, so the clock has run its course."""
        await runner.kill()
        self._course.deadline = math.inf

    def _restart_clock(self) -> None:
        if self._course.stop_reason is None:
            self._course.deadline = _now() + self._claim.plan.request_timeout.total_seconds()

    def _outcome(self, ended: protocol.Ended) -> Outcome:
        if self._course.stop_reason == "timeout":
            return self._failed(self._timed_out())
        if ended.failure is not None:
            return self._failed(_failure(ended.failure, self._redactor))
        if ended.result is None:
            asked = self._course.stop_reason is not None
            return self._failed(_interrupted() if asked else _ended_itself())
        if len(ended.result) > self._settings.max_result_bytes:
            return self._failed(_too_big(len(ended.result), self._settings.max_result_bytes))
        payloads = tuple(
            ExtendedPayload(api=str(item["api"]), parameters=dict(item["parameters"]))
            for item in ended.extended_payloads
        )
        return Outcome(
            result=ended.result,
            extended_payloads=payloads,
            author_started_at=self._course.author_started_at,
            attributes=self._course.attributes,
            auth_state=ended.auth_state,
        )

    def _crashed(self, exited: Exited) -> Outcome:
        if self._course.stop_reason == "timeout":
            return self._failed(self._timed_out())
        if self._hold.interruption is not None:
            return self._failed(_interrupted())
        message = f"The process of the attempt died: {exited.description}."
        if self._course.is_killed_for_memory:
            limit = self._settings.runner_memory_bytes
            message = (
                f"The attempt was killed for memory: it held more than "
                f"{int(limit * _KILL_MEMORY_FACTOR) // 2**20} MiB."
            )
        return self._failed(
            Failure(
                code=FailureCode.PROCESS_CRASHED,
                category=Category.EXECUTION,
                message=message,
                retryable=True,
                details={"crashed": "process"},
            )
        )

    def _timed_out(self) -> Failure:
        seconds = self._claim.plan.request_timeout.total_seconds()
        return Failure(
            code=FailureCode.TIMEOUT,
            category=Category.EXECUTION,
            message=f"The attempt ran longer than its `requestTimeout` of {seconds:g} s and was stopped.",
            retryable=True,
            details={"timeoutInSeconds": seconds},
        )

    def _failed(self, failure: Failure) -> Outcome:
        return Outcome(
            failure=failure,
            author_started_at=self._course.author_started_at,
            attributes=self._course.attributes,
        )

    def _take_line(self, event: object) -> None:
        if isinstance(event, protocol.Log):
            self._log.add(
                datetime.fromtimestamp(event.at, UTC), event.stream, event.level, event.text
            )
        elif isinstance(event, RawLine):
            level = "error" if event.stream == "stderr" else "info"
            self._log.add(datetime.now(UTC), event.stream, level, event.text)

    async def _take_leftovers(self, runner: RunnerProcess) -> bool:
        """Take files and lines until the Runner is ready, retires, dies, or takes too long."""
        try:
            async with asyncio.timeout(self._settings.trace_timeout.total_seconds()):
                while True:
                    event = await runner.receive()
                    match event:
                        case protocol.Ready():
                            return True
                        case protocol.Retiring() | Exited():
                            return False
                        case protocol.File():
                            await self._keep_file(event)
                        case _:
                            self._take_line(event)
        except TimeoutError:
            log.warning(
                "runner did not come back after an attempt",
                event_name="runner_stuck",
                run_id=self._claim.run_id,
            )
            return False
        finally:
            await self._log.flush()

    async def _keep_file(self, event: protocol.File) -> None:
        """Move a file into the blob store; one that cannot be kept is told of in the log."""
        path = Path(event.path)
        claim = self._claim
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            if event.kind in ("trace", "har") and size > self._settings.max_trace_bytes:
                self._log.add_own(
                    f"the {event.kind} of {size} bytes is larger than allowed and was not kept"
                )
                return
            blob = f"runs/{claim.run_id}/{claim.attempt}/{uuid.uuid4().hex}"
            await self._platform.blobs.put_file(blob, path)
            file = RunFile(
                id=0,
                attempt=claim.attempt,
                kind=event.kind,
                name=event.name[:255].replace("\0", ""),
                size_bytes=size,
                blob=blob,
                created_at=datetime.now(UTC),
            )
            await attempts.add_file(self._platform, claim, file)
        except Exception as error:
            # A file that cannot be kept never fails a Run.
            log.exception("file not kept", event_name="file_not_kept", run_id=claim.run_id)
            self._log.add_own(f"the {event.kind} `{event.name}` could not be kept: {error}")
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _proxy(url: str) -> protocol.Proxy:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return protocol.Proxy(
        server=f"{parts.scheme}://{host}{port}",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _failure(failed: protocol.Failed, redactor: Redactor) -> Failure:
    return Failure(
        code=FailureCode(failed.code),
        category=Category(failed.category),
        message=redactor.text(failed.message),
        retryable=failed.retryable,
        details=redactor.value(failed.details),
    )


def _interrupted() -> Failure:
    return Failure(
        code=FailureCode.UNEXPECTED_ERROR,
        category=Category.INFRASTRUCTURE,
        message="The attempt was interrupted.",
        retryable=True,
    )


def _ended_itself() -> Failure:
    return Failure(
        code=FailureCode.PROCESS_CRASHED,
        category=Category.EXECUTION,
        message="The automation ended its own process: one of its tasks called `sys.exit`.",
        retryable=True,
        details={"crashed": "process"},
    )


def _too_big(size: int, limit: int) -> Failure:
    return Failure(
        code=FailureCode.RESULT_TOO_BIG,
        category=Category.EXECUTION,
        message=f"The result has {size} bytes; at most {limit} are kept.",
        retryable=True,
        details={"sizeInBytes": size, "maxSizeInBytes": limit},
    )


def _broken_runner(error: Exception) -> Failure:
    return Failure(
        code=FailureCode.UNEXPECTED_ERROR,
        category=Category.INFRASTRUCTURE,
        message=f"The runner broke off before the attempt was over: {error}",
        retryable=True,
    )
