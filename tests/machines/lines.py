"""A connection to PostgreSQL that breaks at a chosen moment: before a message arrives, or between it and its response.

It also observes the order in which a transaction's statements lock rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

_CHUNK_BYTES = 65536
_HEAD_BYTES = 5
_GOES_ON, _IS_OVER = b"Z\x00\x00\x00\x05T", b"Z\x00\x00\x00\x05I"
"""The last bytes of an answer inside a transaction, and outside of any."""
_BACKEND = re.compile(rb"K\x00\x00\x00\x0c(....)....", re.DOTALL)
LOCK_ORDER = ("job_runs", "jobs", "auth_sessions", "runs", "deliveries")
"""Who locks rows of several tables locks them in this order; see `docs/explanation/architecture.md`.

Rows that others refer to, of projects and Deployments, are locked by whoever adds a reference, and that is not in the
way of who changes them.
"""
_LOCKED = " UNION ALL ".join(
    f"SELECT {rank} AS rank FROM {table} WHERE xmax::text = mine.xid"
    for rank, table in enumerate(LOCK_ORDER)
)
_LOCKED_BY = (
    "SELECT DISTINCT found.rank FROM (SELECT backend_xid::text AS xid FROM pg_stat_activity"
    f" WHERE pid = $1 AND backend_xid IS NOT NULL) AS mine, LATERAL ({_LOCKED}) AS found"
)
_SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where a connection breaks."""

    after: int
    """Messages that still get through."""
    is_answer_lost: bool
    """The next one gets through too, and is carried out; its answer does not."""


@dataclass(eq=False, kw_only=True)
class _Transaction:
    """What one connection has locked in its transaction, and with what."""

    backend: int = 0
    prepared: dict[bytes, str] = field(default_factory=dict[bytes, str])
    statement: str = ""
    ranks: set[int] = field(default_factory=set[int])
    statements: list[str] = field(default_factory=list[str])

    def hear(self, asked: bytes) -> None:
        """Note which statement comes next, of whole messages of PostgreSQL's protocol."""
        while len(asked) > _HEAD_BYTES and asked[0]:
            end = 1 + int.from_bytes(asked[1:_HEAD_BYTES], "big")
            kind, body, asked = asked[:1], asked[_HEAD_BYTES:end], asked[end:]
            if kind == b"Q":
                self.statement = body[:-1].decode()
            elif kind == b"P":
                name, text, _ = body.split(b"\x00", 2)
                self.prepared[name] = self.statement = text.decode()
            elif kind == b"B":
                name = body.split(b"\x00", 2)[1]
                self.statement = self.prepared.get(name, "")

    def lock(self, ranks: set[int]) -> str | None:
        """Note what is locked by now; return what is wrong with that, if anything is."""
        new = ranks - self.ranks
        wrong = None
        if new and (len(new) > 1 or min(new) < max(self.ranks, default=-1)):
            order = [LOCK_ORDER[each] for each in (*sorted(self.ranks), *sorted(new))]
            wrong = f"{order}, the last {len(new)} by {self.statement!r} after {self.statements}"
        self.ranks |= ranks
        self.statements.append(self.statement.partition("\n")[0])
        return wrong


@dataclass(eq=False, kw_only=True)
class Line:
    """Every connection of one process to PostgreSQL."""

    far: Path
    """The server's socket."""
    watch: Any = None
    """Another connection, which sees what these have locked."""
    out_of_order: list[str] = field(default_factory=list[str])
    """Locks that came in another order than they must, each with how it came to that."""
    _watching: asyncio.Lock = field(default_factory=asyncio.Lock)
    _cut: Cut | None = None
    _messages: int = 0
    _has_broken: bool = False
    _carried: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def break_at(self, cut: Cut | None) -> None:
        """Break the connection that is in use then, once; None: break none."""
        self._cut, self._messages, self._has_broken = cut, 0, False

    @property
    def has_broken(self) -> bool:
        """Whether the cut asked for last has come."""
        return self._has_broken

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        far_reader, far_writer = await asyncio.open_unix_connection(self.far)
        lost = asyncio.Event()
        transaction = _Transaction()
        try:
            await asyncio.gather(
                self._ask(reader, writer, far_writer, lost, transaction),
                self._answer(far_reader, writer, lost, transaction),
            )
        finally:
            for end in (writer, far_writer):
                end.transport.abort()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far: asyncio.StreamWriter,
        lost: asyncio.Event,
        transaction: _Transaction,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                transaction.hear(data)
                cut = self._next_cut()
                if cut is not None and not cut.is_answer_lost:
                    break
                if cut is not None:
                    lost.set()
                far.write(data)
                await far.drain()
        if not lost.is_set():
            writer.transport.abort()
            far.transport.abort()

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lost: asyncio.Event,
        transaction: _Transaction,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._look_at_locks(data, transaction)
                if lost.is_set():
                    # It was carried out: this is what is not heard.
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _look_at_locks(self, answer: bytes, transaction: _Transaction) -> None:
        """See what a statement has locked that was just answered, before who asked hears of it."""
        if not transaction.backend and (found := _BACKEND.search(answer)) is not None:
            transaction.backend = int.from_bytes(found[1], "big")
        if answer.endswith(_IS_OVER):
            transaction.ranks.clear()
            transaction.statements.clear()
        if not answer.endswith(_GOES_ON):
            return
        async with self._watching:
            rows = await self.watch.fetch(_LOCKED_BY, transaction.backend)
        if (wrong := transaction.lock({row["rank"] for row in rows})) is not None:
            self.out_of_order.append(wrong)

    def _next_cut(self) -> Cut | None:
        if self._cut is None:
            return None
        self._messages += 1
        if self._messages <= self._cut.after:
            return None
        cut, self._cut, self._has_broken = self._cut, None, True
        return cut


@asynccontextmanager
async def line(url: str, directory: Path) -> AsyncGenerator[tuple[Line, str]]:
    """Open a line to the PostgreSQL of that address; yield it with the address at this end."""
    folder = url.rpartition("host=")[2]
    watch: Any = await asyncpg.connect(url)
    opened = Line(far=Path(folder) / _SOCKET, watch=watch)
    server = await asyncio.start_unix_server(opened.join, directory / _SOCKET)
    try:
        yield opened, url.replace(folder, str(directory))
    finally:
        server.close()
        await watch.close()
