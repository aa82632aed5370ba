"""Jobs on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import command_line
from helpers.server import RunwrightServer

PROJECT = {
    "api/echo.py": "async def automation(page, params):\n    return params\n",
    "api/fails.py": "async def automation(page, params):\n    raise ValueError('no')\n",
    "api/waits.py": "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(300)\n",
}
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="say")
def _say(server: RunwrightServer, tmp_path: Path) -> Say:
    """Return what gives a command's exit code and what it said, on both ways."""
    assert server.deploy("clj", PROJECT)["status"] == "ready"

    def say(*words: str, typed: str | None = None) -> tuple[int, str, str]:
        done = command_line.run(server, *words, cwd=tmp_path, typed=typed)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    return say


def _body(*apis: str) -> str:
    payload = [{"apiName": api, "parameters": {}} for api in apis]
    return json.dumps({"payload": payload, "configuration": {}})


def test_a_job_from_its_making_to_its_end(say: Say) -> None:
    made = say("jobs", "create", "clj", "life", typed=_body("echo", "echo"))
    watched = say("jobs", "trigger", "clj", "life", "--watch")
    job_run_id = watched[1]
    listed = say("job-runs", "list", "clj", "life")
    shown = json.loads(say("job-runs", "show", "clj", "life", job_run_id)[1])
    paused = say("jobs", "pause", "clj", "life")
    jobs = {each["id"]: each for each in json.loads(say("jobs", "list", "clj", "--json")[1])}
    resumed = say("jobs", "resume", "clj", "life")
    job = json.loads(say("jobs", "show", "clj", "life")[1])
    deleted = say("jobs", "delete", "clj", "life")

    assert made[:2] == (0, "life")
    assert watched[0] == 0
    assert "SUCCESS: 2 of 2 completed, 0 failed" in watched[2]
    assert job_run_id in listed[1]
    assert shown["jobRun"]["status"] == "SUCCESS"
    assert (paused[1], resumed[1], deleted[1]) == ("Paused", "Resumed", "life")
    assert jobs["life"]["state"] == "PAUSED"
    assert len(job["payload"]) == 2
    assert say("jobs", "show", "clj", "life")[0] == 3


def test_watching_what_fails_exits_with_one(say: Say) -> None:
    say("jobs", "create", "clj", "mixed", "--body", _body("echo", "fails"))
    job_run_id = say("jobs", "trigger", "clj", "mixed")[1]

    watched = say("job-runs", "watch", "clj", "mixed", job_run_id)

    assert watched[0] == 1
    assert "COMPLETED: 1 of 2 completed, 1 failed" in watched[2]


def test_a_job_run_is_terminated(say: Say) -> None:
    say("jobs", "create", "clj", "long", "--body", _body("waits"))
    job_run_id = say("jobs", "trigger", "clj", "long")[1]

    terminated = say("job-runs", "terminate", "clj", "long", job_run_id)
    second = say("jobs", "list", "clj")

    assert terminated[1] == "The job run is TERMINATED"
    assert "long" in second[1]


def test_redelivering_needs_one_thing_to_send(say: Say) -> None:
    say("jobs", "create", "clj", "sent", "--body", _body("echo"))
    job_run_id = say("jobs", "trigger", "clj", "sent", "--watch")[1]

    nothing = say("deliveries", "redeliver", "clj")
    none_failed = say("deliveries", "redeliver", "clj", "--job-run", "sent", job_run_id)

    assert nothing[0] == 2
    assert none_failed[:2] == (0, "0")
