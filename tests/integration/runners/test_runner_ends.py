"""Two ways a Runner ends with its Worker: its socket closes, and its parent dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import psutil
import pytest
from helpers.server import eventually, line_of

from runwright import config, protocol
from runwright.domain.ids import DeploymentId, ProjectId, WorkspaceId
from runwright.domain.projects import ProjectSettings
from runwright.execution.deployments.deployment_cache import Installed
from runwright.execution.runners import launcher, reaper, runner_package, runner_process
from runwright.execution.runners.launcher import Launcher
from runwright.execution.runners.runner_process import RunnerProcess

_BLOCKS = "async def automation(page, params):\n    while True: pass\n"


@pytest.mark.parametrize("state", ["new", "warm", "at work"])
async def test_a_runner_whose_socket_closes_ends_though_its_worker_lives(
    tmp_path: Path, state: str
) -> None:
    (tmp_path / "project" / "api").mkdir(parents=True)
    (tmp_path / "project" / "api" / "a.py").write_text(_BLOCKS)
    settings = config.read({"RUNWRIGHT_DATA_DIR": str(tmp_path / "data")})
    async with launcher.opened(settings, _no_variables) as launching:
        runner = await _runner(launching, tmp_path, state)
        below = psutil.Process(runner.pid).children(recursive=True)
        try:
            runner._writer.close()

            async with asyncio.timeout(60):
                while not isinstance(await runner.receive(), runner_process.Exited):
                    """What it said before."""
            eventually(lambda: not any(_is_alive(each) for each in below))
        finally:
            await runner.kill()
            await reaper.reap_the_rest()
    assert bool(below) is (state != "new")


async def _runner(launching: Launcher, directory: Path, state: str) -> RunnerProcess:
    """Return a Runner that has heard nothing yet, is ready, or is in an Attempt that never yields."""
    if state == "new":
        return await runner_process.launch(
            python=Path(sys.executable),
            directory=directory / "runner",
            author_side=runner_package.stage(directory / "author-side"),
            environment={},
        )
    installed = Installed(
        deployment_id=DeploymentId(uuid.uuid4()),
        project_id=ProjectId(uuid.uuid4()),
        workspace_id=WorkspaceId(uuid.uuid4()),
        root=directory / "project",
        python=Path(sys.executable),
        settings=ProjectSettings(),
        apis=("a",),
    )
    runner = await launching.launch(installed)
    if state == "at work":
        await runner.send(protocol.Start(run_id="r", attempt=1, api="a", parameters={}))
        while not isinstance(await runner.receive(), protocol.Started):
            """It gets ready."""
    return runner


async def _no_variables(_deployment: Installed) -> dict[str, str]:
    return {}


_WORKER = """
import asyncio, os, pathlib, subprocess, sys
from runwright.execution.runners import runner_package, runner_process
async def main():
    directory = pathlib.Path(sys.argv[1])
    runner = await runner_process.launch(
        python=pathlib.Path(sys.executable), directory=directory / "runner",
        author_side=runner_package.stage(directory / "author-side"), environment={},
    )
    # Our end of the socket stays open in another process, whatever becomes of this one.
    held = runner._socket.fileno()
    holder = subprocess.Popen(["sleep", "600"], pass_fds=(held,), start_new_session=True)
    print(os.getpid(), runner.pid, holder.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_runner_whose_worker_dies_ends_though_its_socket_is_open(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WORKER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    _, runner_pid, holder_pid = map(int, line_of(worker).split())
    try:
        runner, holder = psutil.Process(runner_pid), psutil.Process(holder_pid)
        assert runner.is_running()

        worker.kill()
        worker.wait()

        eventually(lambda: not _is_alive(runner))
        assert _is_alive(holder)
    finally:
        os.kill(holder_pid, signal.SIGKILL)
        if worker.stdout is not None:
            worker.stdout.close()


def _is_alive(process: psutil.Process) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
