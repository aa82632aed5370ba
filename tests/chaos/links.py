"""A network between a process and PostgreSQL that can be cut: TCP on one side, a Unix socket behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK_BYTES = 65536
_SOCKET = ".s.PGSQL.5432"


@dataclass(eq=False, kw_only=True)
class Link:
    """One network, for one process."""

    socket: Path
    """Of PostgreSQL."""
    port: int = 0
    is_refusing: bool = False
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _lost: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    @property
    def url(self) -> str:
        """Return how PostgreSQL is reached over this network."""
        return f"postgresql://runwright@127.0.0.1:{self.port}/postgres"

    def lead_to(self, sockets: Path) -> None:
        """Lead every new connection to the PostgreSQL whose socket lies in the folder."""
        self.socket = sockets / _SOCKET

    def cut(self) -> None:
        """Break every connection."""
        for end in list(self._ends):
            end.transport.abort()

    def lose(self) -> None:
        """Forget every connection without a word: neither side hears of it, as behind a dead router."""
        self._lost |= self._ends

    async def refuse(self, seconds: float) -> None:
        """Break every connection and take no new one for a while."""
        self.is_refusing = True
        self.cut()
        await asyncio.sleep(seconds)
        self.is_refusing = False

    async def stall(self, seconds: float) -> None:
        """Let nothing through for a while, then all of it."""
        self._flows.clear()
        await asyncio.sleep(seconds)
        self._flows.set()

    def mend(self) -> None:
        """Be as new; what was lost is found to be broken."""
        self.is_refusing = False
        self._flows.set()
        for end in self._lost & self._ends:
            end.transport.abort()
        self._lost.clear()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        if self.is_refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        finally:
            self._ends -= ends
            self._lost -= ends
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._flows.wait()
                if writer in self._lost:
                    continue
                writer.write(data)
                await writer.drain()
        if writer not in self._lost:
            writer.transport.abort()


@asynccontextmanager
async def link(sockets: Path) -> AsyncGenerator[Link]:
    """Open a network to the PostgreSQL whose socket lies in the folder."""
    opened = Link(socket=sockets / _SOCKET)
    opened._flows.set()
    server = await asyncio.start_server(opened.join, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        opened.mend()
        server.close()
        opened.cut()
        await asyncio.sleep(0)
