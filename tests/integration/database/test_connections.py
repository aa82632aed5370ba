"""Who holds connections to the database, and who needs one that no one else can take."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
from helpers.server import answering, eventually_async, pack
from obstore.store import S3Store

from runwright.adapters.blobs.blobs import Blobs
from runwright.adapters.queue import engine
from runwright.control.access import keys
from runwright.control.base import queues
from runwright.control.base.platform import Platform
from runwright.control.projects import deployments
from runwright.control.upkeep import retention
from runwright.execution.flows import worker

_PATIENCE_SECONDS = 180
_BEATS = (
    "SELECT (SELECT max(heartbeat_at) FROM workers), (SELECT max(heartbeat) FROM pgqueuer"
    " WHERE status = 'picked' AND entrypoint = 'job-run')"
)


async def test_a_worker_is_heard_while_every_other_connection_is_taken(
    platform: Platform, database_url: str
) -> None:
    settings = replace(platform.settings, heartbeat_timeout=timedelta(seconds=2), slots=1)
    beside: Any = await asyncpg.connect(database_url)
    async with worker.opened(replace(platform, settings=settings)) as begun:
        working = asyncio.create_task(begun.serve())
        # It prunes as it begins, for which it holds one connection and takes others.
        await eventually_async(lambda: retention.last(platform))
        async with AsyncExitStack() as stack, asyncio.timeout(_PATIENCE_SECONDS):
            for _ in range(platform.database.get_max_size()):
                await stack.enter_async_context(platform.database.acquire())
            # Whoever takes it up waits for a connection, and holds it meanwhile.
            await engine.enqueue(beside, queues.job_run_entry("gone"))
            all_taken_at = await beside.fetchval("SELECT clock_timestamp()")

            async def has_beaten() -> bool:
                worker_at, entry_at = await beside.fetchrow(_BEATS)
                return worker_at > all_taken_at and entry_at is not None and entry_at > picked_at

            async def is_picked() -> Any:
                return (await beside.fetchrow(_BEATS))[1]

            picked_at = await eventually_async(is_picked)
            await eventually_async(has_beaten)
        begun.stop()
        await working
    await beside.close()


async def test_an_upload_holds_no_connection_while_the_blob_store_takes_its_time(
    platform: Platform, tmp_path: Path, make_project: Callable[..., Any]
) -> None:
    await make_project()
    workspace_id, _ = await keys.ensure_first(platform, None)
    asked: list[str] = []
    answers = threading.Semaphore(0)

    class Slow(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            asked.append(self.command)
            answers.acquire()
            # It never has what it was given, so that it is given it once more.
            self.send_response(404 if self.command == "HEAD" else 200)
            self.send_header("etag", '"x"')
            self.send_header("content-length", "0")
            self.end_headers()

        do_HEAD = do_PUT = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    (tmp_path / "bundle").write_bytes(pack({"api/a.py": ""}))
    with answering(Slow) as url:
        store: Any = S3Store(
            "bucket",
            endpoint=url,
            region="us-east-1",
            access_key_id="a",
            secret_access_key="s",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        slow = replace(platform, blobs=Blobs(store))
        deploying = asyncio.create_task(
            deployments.create(slow, workspace_id, "p", tmp_path / "bundle")
        )
        held: list[int] = []
        for number in range(1, 5):

            async def is_asked(number: int = number) -> bool:
                return len(asked) == number

            await eventually_async(is_asked)
            held.append(platform.database.get_size() - platform.database.get_idle_size())
            answers.release()
        await deploying

    assert asked == ["HEAD", "PUT"] * 2
    assert held == [0] * 4
