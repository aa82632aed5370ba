"""What is lent in parts: who waits, who goes on when, and that all of it comes back."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from runwright.web.server.model_call_memory import Loan, Room, Turns


class Borrower:
    """Has its part until it is let go."""

    def __init__(self, lent: AbstractAsyncContextManager[Any]) -> None:
        self.has = asyncio.Event()
        self.goes = asyncio.Event()
        self.loan: Any = None
        self.task = asyncio.create_task(self._borrow(lent))

    async def _borrow(self, lent: AbstractAsyncContextManager[Any]) -> None:
        async with lent as self.loan:
            self.has.set()
            await self.goes.wait()

    async def leave(self) -> None:
        """Give its part back, or give up waiting for it."""
        if self.has.is_set():
            self.goes.set()
            await self.task
        else:
            self.task.cancel()
            await asyncio.wait([self.task])
        await _all_that_can()


async def _all_that_can() -> None:
    """Let every task go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def _having(*borrowers: Borrower) -> list[bool]:
    await _all_that_can()
    return [each.has.is_set() and not each.task.done() for each in borrowers]


async def test_so_much_is_lent_at_once_and_no_more() -> None:
    room = Room(3)
    first, second, third = [Borrower(room.lent(size)) for size in (1, 2, 1)]
    assert await _having(first, second, third) == [True, True, False]

    await first.leave()

    assert await _having(second, third) == [True, True]
    await second.leave()
    await third.leave()
    whole = Borrower(room.lent(3))
    assert await _having(whole) == [True]
    await whole.leave()


async def test_what_comes_back_may_be_enough_for_several_or_for_one_behind_another() -> None:
    room = Room(4)
    holder = Borrower(room.lent(4))
    waiting = [Borrower(room.lent(size)) for size in (3, 2, 2, 1)]
    assert await _having(holder, *waiting) == [True, False, False, False, False]

    await holder.leave()
    assert await _having(*waiting) == [True, False, False, True]

    await waiting[0].leave()
    assert await _having(*waiting[1:]) == [True, False, True]
    for each in (waiting[1], waiting[3], waiting[2]):
        await each.leave()


async def test_parts_that_come_back_at_one_moment_are_enough_together() -> None:
    room = Room(2)
    first, second, waiting = [Borrower(room.lent(size)) for size in (1, 1, 2)]
    assert await _having(first, second, waiting) == [True, True, False]

    first.loan.give_back()
    second.loan.give_back()

    assert await _having(waiting) == [True]
    for each in (first, second, waiting):
        await each.leave()
    assert room._free == 2


async def test_who_gives_up_waiting_or_fails_leaves_the_room_as_it_was() -> None:
    room = Room(1)
    holder = Borrower(room.lent(1))
    gone, waiting = Borrower(room.lent(1)), Borrower(room.lent(1))
    await _all_that_can()
    await gone.leave()
    holder.task.cancel()
    await asyncio.wait([holder.task])

    assert await _having(waiting) == [True]
    await waiting.leave()
    assert not room._waiting
    with pytest.raises(ConnectionError):
        async with room.lent(1):
            raise ConnectionError
    assert room._free == 1


async def test_who_gives_up_as_it_is_freed_takes_nothing_from_the_other() -> None:
    room = Room(1)
    holder = Borrower(room.lent(1))
    gone, waiting = Borrower(room.lent(1)), Borrower(room.lent(1))
    await _all_that_can()
    holder.goes.set()
    holder.loan.give_back()
    gone.task.cancel()
    await asyncio.wait([gone.task])

    assert await _having(waiting) == [True]
    await waiting.leave()


@pytest.mark.parametrize(("kept", "free"), [(0, 5), (2, 3), (5, 0), (9, 0)])
async def test_a_part_is_given_back_early_and_once(kept: int, free: int) -> None:
    room = Room(5)
    async with room.lent(5) as loan:
        loan.give_back(kept)
        assert room._free == free
        loan.give_back(kept)
        assert room._free == free
    assert room._free == 5


async def test_nothing_kept_is_all_given_back() -> None:
    room = Room(5)

    Loan(room, 2).give_back()

    assert room._free == 7


async def test_each_key_has_its_turns_and_none_is_kept_for_who_has_left() -> None:
    turns = Turns(2)
    first, second, third = [Borrower(turns.taken("a")) for _ in range(3)]
    other = Borrower(turns.taken("b"))
    assert await _having(first, second, third, other) == [True, True, False, True]

    await first.leave()
    fourth = Borrower(turns.taken("a"))
    assert await _having(second, third, fourth) == [True, True, False]

    await third.leave()
    assert await _having(second, fourth) == [True, True]
    fifth = Borrower(turns.taken("a"))
    assert await _having(fifth) == [False]
    await fifth.leave()
    assert await _having(second, fourth) == [True, True]
    for each in (second, fourth, other):
        await each.leave()
    assert turns._rooms == {}
