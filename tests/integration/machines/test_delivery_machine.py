"""Deliveries as a state machine: tried, lost, sent again; each ends in a correct state, under one id, with a row per try."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from machines.lines import Cut
from machines.stage import Died, Machine, Stage, cuts, play

from runwright.adapters.queue import engine
from runwright.control.deliveries import deliveries
from runwright.domain.deliveries import sinks
from runwright.domain.deliveries.deliveries import Try
from runwright.domain.retry import DONE, FollowUp
from runwright.storage.deliveries import DeliveryRow

_WORKERS = 2
_MOST = 3
_SINK = sinks.parse({"type": "webhook", "url": "https://example.com/hook"})
_DELIVERIES = "SELECT * FROM deliveries WHERE project_id = $1 ORDER BY created_at, id"
_TRIES = (
    "SELECT delivery_tries.* FROM delivery_tries JOIN deliveries ON deliveries.id = delivery_id"
    " WHERE project_id = $1"
)
_OLDER = (
    "UPDATE deliveries SET created_at = created_at - interval '1 minute',"
    " next_try_at = LEAST(next_try_at, now()) WHERE project_id = $1 AND status = 'pending'"
)
_COUNTED = (
    "SELECT label, sum(value)::int AS value FROM counters WHERE name = 'delivery_tries' GROUP BY 1"
)


class DeliveryMachine(Machine):
    """Deliveries of one project, and two Workers that try them."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.accepted: list[str] = []
        self.held: dict[tuple[str, int], DeliveryRow] = {}
        """By Delivery and Worker: what that one has begun to try and not ended."""
        self.before: dict[str, dict[str, Any]] = {}
        self.tries_before: dict[tuple[str, int], dict[str, Any]] = {}
        self.is_sent_again: set[str] = set()
        """Of what was in this step asked to be sent again."""

    @initialize()
    def begin(self) -> None:
        self._accept()

    # What happens to Runs and what callers do.

    @rule()
    def accept(self) -> None:
        if len(self.accepted) < _MOST:
            self._accept()

    @rule(choice=st.integers(0, _MOST), is_elsewhere=st.booleans(), cut=cuts)
    def send_again(self, choice: int, is_elsewhere: bool, cut: Cut | None) -> None:
        delivery_id = self._chosen(choice)
        url = "https://elsewhere.example.com/" if is_elsewhere else None
        self.is_sent_again.add(delivery_id)
        self.persist(
            lambda: deliveries.send_again(self.platform, self.project.id, delivery_id, url), cut
        )
        after = self._row(delivery_id)
        assert (after["status"], after["failures"]) == ("pending", 0)
        assert self._without_entry([delivery_id]) == []

    # What Workers do.

    @rule(choice=st.integers(0, _MOST), worker=st.integers(0, _WORKERS - 1), cut=cuts)
    def begin_try(self, choice: int, worker: int, cut: Cut | None) -> None:
        self._begin_try(self._chosen(choice), worker, cut)

    @rule(
        choice=st.integers(0, _MOST),
        worker=st.integers(0, _WORKERS - 1),
        how=st.sampled_from(["delivered", "refused", "refused", "gone"]),
        cut=cuts,
    )
    def end_try(self, choice: int, worker: int, how: str, cut: Cut | None) -> None:
        delivery_id = self._chosen(choice)
        self._begin_try(delivery_id, worker, None)
        row = self.held.pop((delivery_id, worker), None)
        if row is None:
            return
        before = self._row(delivery_id)
        again = self.persist(lambda: self._end(row, how), cut)
        after = self._row(delivery_id)
        if (before["fence"], before["status"]) != (row.fence, "pending"):
            assert (after, again) == (before, DONE)
            return
        wanted = {"delivered": "delivered", "gone": "exhausted"}.get(how, "pending")
        assert after["status"] == wanted
        assert (again == DONE) == (wanted != "pending")

    @rule(
        choice=st.integers(0, _MOST),
        worker=st.integers(0, _WORKERS - 1),
        is_sent=st.booleans(),
        cut=cuts,
    )
    def die(self, choice: int, worker: int, is_sent: bool, cut: Cut | None) -> None:
        """A Worker dies in a try, before it noted how it went or while it did."""
        delivery_id = self._chosen(choice)
        self._begin_try(delivery_id, worker, None)
        row = self.held.get((delivery_id, worker))
        if row is not None and is_sent:
            with contextlib.suppress(Died):
                self.once(lambda: self._end(row, "delivered"), cut)
        self.held = {key: held for key, held in self.held.items() if key[1] != worker}

    @rule(choice=st.integers(0, _MOST), cut=cuts)
    def lose_its_entry(self, choice: int, cut: Cut | None) -> None:
        delivery_id = self._chosen(choice)
        self.execute("DELETE FROM pgqueuer WHERE payload = convert_to($1, 'UTF8')", delivery_id)
        self.execute(_OLDER, self.project.id)
        self.persist(lambda: deliveries.requeue_lost(self.platform, None), cut)
        pending = [each["id"] for each in self._rows() if each["status"] == "pending"]
        assert self._without_entry(pending) == []

    # What must be true after each step.

    @invariant()
    def everything_is_true(self) -> None:
        self.check_locks()
        found = {row["id"]: row for row in self._rows()}
        tries = {
            (row["delivery_id"], row["number"]): row for row in self.rows(_TRIES, self.project.id)
        }
        assert found.keys() == {*self.accepted}
        for delivery_id, row in found.items():
            numbers = [number for of, number in tries if of == delivery_id]
            assert len(numbers) <= row["tries"]
            assert all(1 <= number <= row["tries"] for number in numbers)
            assert (row["status"] == "pending") == (row["ended_at"] is None)
            before = self.before.get(delivery_id, row)
            assert row["fence"] >= before["fence"]
            if before["status"] != "pending" and delivery_id not in self.is_sent_again:
                assert row == before
        for key, before in self.tries_before.items():
            assert tries[key] == before
        self.before, self.tries_before = found, tries
        self.is_sent_again.clear()

    def teardown(self) -> None:
        """All Workers die; a new one tries everything, and everybody takes it."""
        try:
            self.held.clear()
            self.execute(_OLDER, self.project.id)
            for delivery_id in self.accepted:
                self._begin_try(delivery_id, 0, None)
                if (row := self.held.get((delivery_id, 0))) is not None:
                    assert self.do(self._end(row, "delivered")) == DONE
            self.everything_is_true()
            assert all(row["status"] != "pending" for row in self._rows())
            counted = sum(row["value"] for row in self.rows(_COUNTED))
            assert counted == len(self.tries_before)
        finally:
            self.execute("DELETE FROM deliveries WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM counters")
            self.execute("DELETE FROM pgqueuer")

    # How it is done.

    def _accept(self) -> None:
        async def insert() -> None:
            async with self.stage.watch.acquire() as connection, connection.transaction():
                await deliveries.accept_notification(
                    self.platform, connection, self.project.id, None, _SINK, "{}"
                )

        self.do(insert())
        self.accepted += [row["id"] for row in self._rows() if row["id"] not in self.accepted]

    def _begin_try(self, delivery_id: str, worker: int, cut: Cut | None) -> None:
        if (delivery_id, worker) in self.held:
            return
        # Its time has come.
        self.execute(_OLDER, self.project.id)
        row = self.persist(lambda: deliveries.begin_try(self.platform, delivery_id), cut)
        if row is not None:
            fences = [held.fence for (of, _), held in self.held.items() if of == delivery_id]
            assert all(row.fence > fence for fence in fences)
            self.held[delivery_id, worker] = row

    async def _end(self, row: DeliveryRow, how: str) -> FollowUp:
        found = Try(
            number=row.delivery.tries,
            at=datetime.now(UTC),
            duration_ms=1,
            status_code=200 if how == "delivered" else 500,
            answer="",
            error=None if how == "delivered" else "no",
        )
        return await deliveries.end_try(self.platform, row, found, is_gone=how == "gone")

    def _chosen(self, choice: int) -> str:
        return self.accepted[choice % len(self.accepted)]

    def _row(self, delivery_id: str) -> dict[str, Any]:
        return next(row for row in self._rows() if row["id"] == delivery_id)

    def _rows(self) -> list[dict[str, Any]]:
        return self.rows(_DELIVERIES, self.project.id)

    def _without_entry(self, ids: list[str]) -> list[str]:
        return self.do(engine.without_entry(self.stage.watch, ids))


async def test_a_delivery_ends_in_a_true_state_whoever_tries_it(stage: Stage) -> None:
    await play(DeliveryMachine, stage)
