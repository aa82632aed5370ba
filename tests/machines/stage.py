"""The platform that a machine acts on, with a connection that breaks on demand, and one to observe it through."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import hypothesis
from helpers.server import eventually_async
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from machines.lines import Cut, Line, line
from runwright.control.base.platform import Platform
from runwright.db_retry import patiently
from runwright.domain.ids import WorkerId
from runwright.domain.projects import Project
from runwright.storage import platform as worker_rows

_Value = TypeVar("_Value")
_ANY_HEALTH = [
    hypothesis.HealthCheck.too_slow,
    hypothesis.HealthCheck.filter_too_much,
    hypothesis.HealthCheck.data_too_large,
]
_STEPS = 40
_STEP_SECONDS = 60
_SILENCE = timedelta(seconds=1)

cuts = st.none() | st.builds(
    Cut, after=st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 6, 9]), is_answer_lost=st.booleans()
)
"""Where the connection breaks in a step, if it does; many steps have few messages."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What the examples of one test share."""

    loop: asyncio.AbstractEventLoop
    platform: Platform
    """Of Workers and callers; its connections break."""
    watch: Any
    """Connections that do not."""
    line: Line
    make_project: Callable[[str], Awaitable[Project]]
    examples: int
    """How many lives a machine has."""


class Died(Exception):
    """Whoever did this step is gone: its connection broke in it, and it said nothing again."""


class Machine(RuleBasedStateMachine):
    """A machine with Workers; its steps run in the event loop of the test."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.project: Project = self.do(self.stage.make_project(f"p{uuid4()}"))

    @property
    def platform(self) -> Platform:
        """Return the platform of Workers and callers."""
        return self.stage.platform

    def do(self, work: Coroutine[Any, Any, _Value] | Awaitable[_Value]) -> _Value:
        """Carry out one step."""

        async def step() -> _Value:
            return await work

        return asyncio.run_coroutine_threadsafe(step(), self.stage.loop).result(_STEP_SECONDS)

    def persist(self, work: Callable[[], Awaitable[_Value]], cut: Cut | None) -> _Value:
        """Carry out a step that is said again where the connection breaks in it."""
        self.stage.line.break_at(cut)
        try:
            return self.do(patiently(work))
        finally:
            self.stage.line.break_at(None)

    def once(self, work: Callable[[], Awaitable[_Value]], cut: Cut | None) -> _Value:
        """Carry out a step that is not said again.

        Raises:
            Died: the connection broke in it.
        """
        self.stage.line.break_at(cut)
        try:
            return self.do(work())
        except Exception as error:
            if not self.stage.line.has_broken:
                raise
            raise Died from error
        finally:
            self.stage.line.break_at(None)

    def begin_worker(self) -> WorkerId:
        """Let a Worker begin; it was heard of for an hour."""
        worker_id = WorkerId(uuid4())
        self.do(self._beat(worker_id))
        return worker_id

    def hear(self, worker_id: WorkerId) -> None:
        """Let a Worker be heard of again."""
        self.do(self._beat(worker_id))

    def silence(self, worker_id: WorkerId) -> None:
        """Let a Worker be silent for so long that it counts as gone."""
        self.execute(
            "UPDATE workers SET heartbeat_at = now() - interval '1 minute' WHERE id = $1",
            worker_id,
        )

    async def _beat(self, worker_id: WorkerId) -> None:
        await worker_rows.beat(self.stage.watch, worker_id, "here", 1, 1, silence=_SILENCE)
        await self.stage.watch.execute(
            "UPDATE workers SET steady_since = now() - interval '1 hour',"
            " heartbeat_at = now() + interval '1 hour' WHERE id = $1",
            worker_id,
        )

    def execute(self, statement: str, *arguments: Any) -> None:
        """Change what the database holds, as nobody of the product does."""
        self.do(self.stage.watch.execute(statement, *arguments))

    def check_locks(self) -> None:
        """See that no transaction has locked rows in another order than it must."""
        assert not self.stage.line.out_of_order, self.stage.line.out_of_order[0]

    def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Return what the database holds."""
        found = self.do(self.stage.watch.fetch(statement, *arguments))
        return [dict(each) for each in found]


@asynccontextmanager
async def staged(
    database_url: str,
    directory: Path,
    open_platform: Callable[..., Any],
    make_project: Callable[[Platform, str], Awaitable[Project]],
    *,
    examples: int,
) -> AsyncGenerator[Stage]:
    """Open a stage on an empty migrated database."""
    sockets = directory / "line"
    sockets.mkdir()
    async with (
        line(database_url, sockets) as (opened, near),
        open_platform(near, directory / "data") as breaking,
        open_platform(database_url, directory / "watch") as watching,
    ):
        settings = dataclasses.replace(breaking.settings, heartbeat_timeout=_SILENCE, max_crashes=3)
        # What began just now cannot have heard of anyone.
        uptime = "SELECT clock_timestamp() - pg_postmaster_start_time() > interval '2 seconds'"
        await eventually_async(lambda: watching.database.fetchval(uptime))
        yield Stage(
            loop=asyncio.get_running_loop(),
            platform=dataclasses.replace(breaking, settings=settings),
            watch=watching.database,
            line=opened,
            make_project=lambda name: make_project(watching, name),
            examples=examples,
        )


async def play(machine: type[Machine], stage: Stage) -> None:
    """Have hypothesis draw the machine's lives."""
    played = type(machine.__name__, (machine,), {"stage": stage})
    settings = hypothesis.settings(
        max_examples=stage.examples,
        stateful_step_count=_STEPS,
        # A machine that is busy elsewhere is no defect.
        deadline=None,
        suppress_health_check=_ANY_HEALTH,
        print_blob=True,
        # Why it failed is seen in the steps; to vary them again and again would take minutes more.
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    await asyncio.to_thread(run_state_machine_as_test, played, settings=settings)
