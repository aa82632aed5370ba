"""Bounds what model calls may hold of a server at once; a call over the limit waits its turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Room:
    """An amount that is lent in parts."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def lent(self, size: int) -> AsyncGenerator[Loan]:
        """Lend a part once it is free, until the block ends or the part is given back."""
        while self._free < size:
            freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            try:
                await freed
            finally:
                self._waiting.remove(freed)
        self._free -= size
        loan = Loan(self, size)
        try:
            yield loan
        finally:
            loan.give_back()

    def free(self, size: int) -> None:
        """Take a part back and wake all waiters."""
        self._free += size
        for each in self._waiting:
            if not each.done():
                each.set_result(None)


class Loan:
    """A part of a room, on loan."""

    def __init__(self, room: Room, size: int) -> None:
        self._room = room
        self._size = size

    def give_back(self, kept: int = 0) -> None:
        """Give back all but `kept`."""
        kept = min(kept, self._size)
        self._room.free(self._size - kept)
        self._size = kept


class Turns:
    """Limits how many may hold a turn at once, separately for each key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rooms: dict[str, tuple[Room, int]] = {}

    @asynccontextmanager
    async def taken(self, key: str) -> AsyncGenerator[None]:
        """Wait for a turn, and hold it until the block ends."""
        room, users = self._rooms.get(key, (Room(self._most), 0))
        self._rooms[key] = (room, users + 1)
        try:
            async with room.lent(1):
                yield
        finally:
            room, users = self._rooms.pop(key)
            if users > 1:
                self._rooms[key] = (room, users - 1)
