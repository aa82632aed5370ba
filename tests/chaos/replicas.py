"""A PostgreSQL with a standby that has every commit, and takes over on command."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import asyncpg
from helpers.server import eventually_async

from runwright.storage.postgres import binaries, cluster, embedded
from runwright.storage.postgres.cluster import Place

_IN_SYNC = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"
# A commit is answered once the standby has it, too: with less, a failover loses what it has not.
_SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = '*'"


class Replicas:
    """Two clusters on one machine: `place` is the primary's."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.server = embedded.Server(place)
        self._first = place
        self._standby_place = place
        self._standby: embedded.Server | None = None
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Start the primary."""
        await self.server.start()

    async def stop(self) -> None:
        """Stop both."""
        if self._standby is not None:
            await self._standby.stop()
        await self.server.stop()

    async def attach(self) -> None:
        """Copy the primary to a new standby, and return when no commit is answered without it."""
        number = next(self._numbers)
        home = self._first.cluster.parent / f"standby-{number}"
        place = dataclasses.replace(
            self._first,
            cluster=home / "cluster",
            sockets=self._first.sockets.with_name(f"s{number}"),
        )
        await asyncio.to_thread(self._copy, home, place)
        self._standby_place, self._standby = place, embedded.Server(place)
        await self._standby.start()
        primary: Any = await asyncpg.connect(self.server.url)
        try:
            await primary.execute(_SYNCHRONOUS)
            await primary.execute("SELECT pg_reload_conf()")
            await eventually_async(lambda: primary.fetchval(_IN_SYNC))
        finally:
            await primary.close()

    async def lose_primary(self) -> None:
        """Kill the primary for good; what leads to `place` leads to the standby from now on."""
        assert self._standby is not None
        process = self.server._process
        assert process is not None
        os.kill(self.server.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.to_thread(cluster.stop_leftover, self.place)
        self.server, self._standby = self._standby, None
        self.place = self._standby_place

    async def promote(self) -> None:
        """Make the standby, which is alone, the primary."""
        standby: Any = await asyncpg.connect(self.server.url)
        try:
            assert await standby.fetchval("SELECT pg_promote()")
        finally:
            await standby.close()

    def _copy(self, home: Path, place: Place) -> None:
        user = place.user
        for folder in (home, place.sockets):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            if user is not None:
                os.chown(folder, user.id, user.group_id)
        made = binaries.run(
            place.programs / "pg_basebackup", "--pgdata", str(place.cluster), "--host",
            str(self.place.sockets), "--username", "runwright", "--write-recovery-conf",
            "--checkpoint", "fast", "--wal-method", "stream",
            user=user,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout.decode()
