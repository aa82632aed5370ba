"""Everything dies, again and again, under load: nothing accepted is lost, and nothing is left over.

`make chaos MINUTES=20` is the same for longer, with different faults each time; `SEED=` repeats a sequence. Gentle
faults cost no Attempt, so not one may fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import httpx2
import pytest
from chaos import meetings, members, projects, truth
from chaos.faults import Faults
from chaos.load import Load
from chaos.members import Installation
from helpers.server import RunwrightServer, alive_below, eventually_async
from outside import pages, receivers, sign_in_site

_WORKERS = 2
_SLOTS = 2
_CLIENTS = 6
_SETTINGS = {
    "RUNWRIGHT_SLOTS": str(_SLOTS),
    "RUNWRIGHT_HEARTBEAT_TIMEOUT": "4",
    "RUNWRIGHT_RETRY_DELAY": "0.1",
    "RUNWRIGHT_MAX_CRASHES": "1000",
    "RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE": "true",
    "RUNWRIGHT_CANCEL_GRACE": "2",
}
_PAUSE, _LONG_PAUSE = (0.5, 3.0), (2.0, 8.0)
_SETTLES_SECONDS = 120
_REFUSED_WEBHOOKS = 5


@pytest.fixture(name="directory")
def _directory() -> Generator[Path]:
    """Return a folder with a short name, as the sockets of Chromium need."""
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.chmod(0o755)
    yield directory
    # With its logs it stays where something was wrong.
    if (directory / "right").exists():
        shutil.rmtree(directory)


@pytest.mark.slow
@pytest.mark.timeout(0)  # every wait has a deadline of its own, and long ones last as long as asked
@pytest.mark.parametrize(
    ("is_gentle", "has_standby"),
    [(True, False), (False, False), (True, True)],
    ids=["gentle", "harsh", "failover"],
)
async def test_nothing_accepted_is_lost_whatever_dies(
    directory: Path, request: pytest.FixtureRequest, is_gentle: bool, has_standby: bool
) -> None:
    minutes = float(str(request.config.getoption("--chaos-minutes")))
    seed = int(str(request.config.getoption("--chaos-seed")))
    _say(f"\nchaos: --chaos-seed={seed} --chaos-minutes={minutes:g} in {directory}")
    async with (
        members.installation(
            directory, workers=_WORKERS, is_replicated=has_standby, **_SETTINGS
        ) as installation,
        _load(installation, Random(seed)) as load,
    ):
        faults = Faults(
            installation=installation,
            random=Random(seed),
            is_gentle=is_gentle,
            has_standby=has_standby,
            pause=_LONG_PAUSE if has_standby else _PAUSE,
        )

        await _go_through(load, faults, seconds=minutes * 60)

        wrong = await truth.of_runs(load, faults.happened)
        wrong += await truth.of_job_runs(load)
        wrong += await truth.of_deployments(load, is_gentle=is_gentle)
        wrong += await _settled(lambda: truth.of_deliveries(load))
        wrong += await _settled(lambda: truth.of_rows(installation, load))
        await truth.prune(installation, load)
        wrong += truth.of_processes(installation, is_gentle=is_gentle)
        codes = await installation.end()
        wrong += [f"{name} ended with {code}" for name, code in codes.items() if code]
        wrong += [
            f"still alive: {each}" for each in alive_below(directory) if "postgres" not in each
        ]
        wrong += await truth.of_disk(installation)
        _tell(load, faults)
        assert not wrong, "\n".join(wrong)
        (directory / "right").touch()


async def _go_through(load: Load, faults: Faults, *, seconds: float) -> None:
    """Have load and faults at once, then load alone until every Run has ended and every slot was free."""
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(load.run()) for _ in range(_CLIENTS)]
        clients.append(group.create_task(load.run_jobs()))
        clients.append(group.create_task(load.run_deploys()))
        await faults.run(until=time.time() + seconds)
        load.is_over = True
        for member in faults.installation.members:
            member.link.mend()
        async with asyncio.timeout(_SETTLES_SECONDS):
            await asyncio.gather(*clients)
    with meetings.serving(_WORKERS * _SLOTS) as url:
        async with asyncio.timeout(_SETTLES_SECONDS):
            meeting = [
                load.start("meet", parameters={"url": url}) for _ in range(_WORKERS * _SLOTS)
            ]
            for run in await asyncio.gather(*meeting):
                await load.follow(run)


async def _settled(check: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Return what stays wrong however long one waits."""
    wrong: list[str] = []

    async def is_right() -> bool:
        wrong[:] = await check()
        return not wrong

    with contextlib.suppress(AssertionError):
        await eventually_async(is_right, within=_SETTLES_SECONDS)
    return wrong


@asynccontextmanager
async def _load(installation: Installation, random: Random) -> AsyncGenerator[Load]:
    """Start the installation, deploy to it, sign in, and yield the load that it will have."""
    with ExitStack() as stack:
        site = stack.enter_context(sign_in_site.serving())
        receiver = stack.enter_context(receivers.serving())
        page_url = stack.enter_context(pages.serving({"/": "<!doctype html><h1>Hello</h1>"}))
        receiver.answers += [500] * _REFUSED_WEBHOOKS
        await installation.begin()
        known = json.loads((installation.server_directory / "connection.json").read_text())
        server = RunwrightServer(
            process=cast("Any", None), data_dir=installation.server_directory, **known
        )
        await asyncio.to_thread(_deploy, server, site, receiver.url)
        async with httpx2.AsyncClient(
            base_url=f"{server.url}/api/v1/workspace/{server.workspace_id}/",
            headers={"x-api-key": server.api_key},
            timeout=30,
        ) as client:
            yield Load(
                client=client, random=random, site=site, page_url=page_url, receiver=receiver
            )


def _deploy(server: RunwrightServer, site: sign_in_site.Site, sink_url: str) -> None:
    assert server.deploy(projects.PLAIN, projects.plain())["status"] == "ready"
    with server.client() as client:
        made = client.post(f"/projects/{projects.PLAIN}/jobs", json=projects.job(sink_url))
        assert made.status_code == 201, made.text
    assert server.deploy(projects.SIGNED_IN, projects.signed_in(site))["status"] == "ready"
    body = {"id": "everyone", "parameters": site.parameters}
    assert server.operate(projects.SIGNED_IN, "create", body)["status"] == "done"


def _tell(load: Load, faults: Faults) -> None:
    """Print what happened, for who reads the log of a long one."""
    ends = Counter(
        f"{run.kind} {run.ended['status']}" for run in load.accepted if run.ended is not None
    )
    _say(f"faults: {dict(Counter(fault.what for fault in faults.happened))}")
    _say(f"runs: {len(load.accepted)}, {dict(sorted(ends.items()))}")
    built = Counter(each["status"] for each in load.deployments)
    _say(f"job runs: {len(load.job_runs)}; deployments: {dict(built)}")
    _say(f"refused: {load.refusals}; deliveries received: {len(load.receiver.received)}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
