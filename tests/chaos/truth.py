"""What must be true once everything has settled; every violation is reported, not just the first."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from chaos import projects
from chaos.faults import Fault
from chaos.load import Accepted, Load
from chaos.members import Installation

from runwright.execution.deployments import cache_gc

_HEARTBEAT_MARGIN_SECONDS = 15
_LONG_AGO_SECONDS = 2 * 86400
_CRASHED = "script-process-crashed"
_CODES_OF_FAULTS = frozenset({_CRASHED})
"""What an Attempt fails with that a fault took."""
_FAULTS_OF_BROWSERS = ("kill renderer", "kill browser", "kill driver")
_WORDS_OF_BROWSERS = ("Page crashed", "Target crashed", "has been closed", "Connection closed")
_OWN_CODES = {
    "fails": "script-execution-exception",
    "too big": "result-too-big-error",
    "dies": _CRASHED,
    "late": "script-timeout",
}


async def of_runs(load: Load, faults: Sequence[Fault]) -> list[str]:
    """Return what is wrong with how the accepted Runs have ended."""
    wrong: list[str] = []
    for run in load.accepted:
        path = f"projects/{run.project}/run/{run.run_id}"
        assert run.ended is not None
        again = await load.answer(f"{path}/result")
        if again != run.ended:
            wrong.append(f"{_name(run)} ended twice: {run.ended} and {again}")
        attempts = (await load.answer(path))["attempts"]
        wrong += [f"{_name(run)} {each}" for each in _wrong_ending(run, attempts, faults)]
        wrong += [f"{_name(run)} {each}" for each in _wrong_attempts(run, attempts)]
    return wrong


async def of_job_runs(load: Load) -> list[str]:
    """Return what is wrong with JobRuns: each ended once, and its counts are those of its Runs."""
    wrong: list[str] = []
    project = f"projects/{projects.PLAIN}"
    for job_run_id, ended in load.job_runs.items():
        path = f"{project}/jobs/{projects.JOB}/runs/{job_run_id}"
        again = (await load.answer(path))["jobRun"]
        query = {"jobRunId": job_run_id, "limit": 200}
        runs = (await load.answer(f"{project}/runs", params=query))["runs"]
        statuses = [each["status"] for each in runs]
        load.items |= {each["runId"] for each in runs}
        counts = (again["payloads"], again["successful_runs"], again["failed_runs"])
        if again["status"] != ended["status"] or again["end_time"] != ended["end_time"]:
            wrong.append(f"job run {job_run_id} ended twice: {ended} and {again}")
        if again["status"] != "SUCCESS" or counts != (projects.JOB_ITEMS, projects.JOB_ITEMS, 0):
            wrong.append(f"job run {job_run_id} is {again['status']} with {counts}")
        if statuses != ["completed"] * projects.JOB_ITEMS:
            wrong.append(f"job run {job_run_id} has runs {statuses}")
    return wrong


async def of_deployments(load: Load, *, is_gentle: bool) -> list[str]:
    """Return what is wrong with Deployments: each ended once, and none is left."""
    wrong: list[str] = []
    for ended in load.deployments:
        path = f"projects/{projects.REDEPLOYED}/deployments/{ended['id']}"
        again = (await load.answer(path))["deployment"]
        # Notes of what it declared may follow its end.
        if {**again, "progress": []} != {**ended, "progress": []}:
            wrong.append(f"deployment {ended['id']} ended twice: {ended} and {again}")
        if ended["status"] != "ready" and (is_gentle or not _is_of_dead_runners(ended["error"])):
            wrong.append(f"deployment {ended['id']} should be ready: {ended}")
    found = (await load.answer(f"projects/{projects.REDEPLOYED}/deployments"))["deployments"]
    wrong += [f"not built: {each}" for each in found if each["status"] not in ("ready", "failed")]
    return wrong


def _is_of_dead_runners(error: str) -> bool:
    return " the process" in error or "The platform failed: " in error


async def of_deliveries(load: Load) -> list[str]:
    """Return what is wrong with what was delivered: each at least once, always under one id."""
    got: dict[str, set[str]] = defaultdict(set)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for headers, body in load.receiver.received:
        run_id = json.loads(body)["apiInfo"]["runId"]
        got[run_id].add(headers["webhook-id"])
        bodies[run_id].add(body)
    wrong: list[str] = []
    wanted = {run.run_id: (run.project, _name(run)) for run in load.accepted if run.has_sink}
    wanted |= {run_id: (projects.PLAIN, f"item {run_id}") for run_id in load.items}
    wrong += [f"{run_id} was delivered and has no sink" for run_id in set(got) - set(wanted)]
    for run_id, (project, name) in wanted.items():
        found = await load.answer(f"projects/{project}/deliveries", params={"runId": run_id})
        rows = [(each["deliveryId"], each["status"]) for each in found["deliveries"]]
        if len(rows) != 1 or rows[0][1] != "delivered" or got[run_id] != {rows[0][0]}:
            wrong.append(f"{name} has deliveries {rows} and was received as {got[run_id]}")
        if len(bodies[run_id]) > 1:
            wrong.append(f"{name} was delivered with {len(bodies[run_id])} different bodies")
    return wrong


async def of_rows(installation: Installation, load: Load) -> list[str]:
    """Return what is wrong in the database: rows that nobody asked for, and whatever is still held."""
    connection: Any = await asyncpg.connect(installation.database_url)
    try:
        known = await connection.fetch(
            "SELECT id FROM runs WHERE kind = 'api' AND job_run_id IS NULL"
        )
        wrong = [
            f"{what}: {count}"
            for what, question in _NONE.items()
            if (count := await connection.fetchval(question))
        ]
    finally:
        await connection.close()
    accepted = {run.run_id for run in load.accepted}
    rows = {row["id"] for row in known}
    if rows != accepted:
        wrong.append(f"runs without caller: {rows - accepted}; lost: {accepted - rows}")
    return wrong


def _miscounted(name: str, label: str, rows: str) -> str:
    """Return what asks how many counters with that name are not what the rows say."""
    return (
        f"WITH counted AS (SELECT {label} AS label, sum(value) AS value FROM counters"
        f" WHERE name = '{name}' GROUP BY 1),"
        f" there AS (SELECT {rows} GROUP BY 1)"
        " SELECT count(*) FROM counted FULL JOIN there USING (label)"
        " WHERE value IS DISTINCT FROM number"
    )


_NONE = {
    "runs under way": "SELECT count(*) FROM runs WHERE status IN ('pending', 'started')",
    "attempts under way": "SELECT count(*) FROM attempts WHERE status = 'started'",
    "runs that a worker holds": "SELECT count(*) FROM runs WHERE worker_id IS NOT NULL",
    "secrets of ended runs": "SELECT count(*) FROM runs WHERE sealed_session IS NOT NULL",
    "deliveries under way": "SELECT count(*) FROM deliveries WHERE status = 'pending'",
    "entries in the queue": "SELECT count(*) FROM pgqueuer WHERE status IN ('queued', 'picked')"
    " AND entrypoint NOT LIKE 'warm-up:%'",
    "job runs under way": "SELECT count(*) FROM job_runs WHERE ended_at IS NULL",
    "advisory locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "transactions left open": (
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    ),
    "deployments under way": (
        "SELECT count(*) FROM deployments WHERE status IN ('pending', 'building')"
    ),
    "counters of runs that are not those of the rows": _miscounted(
        "runs", "label", "kind || ':' || status AS label, count(*) AS number FROM runs"
    ),
    "counters of attempts that are not those of the rows": _miscounted(
        "attempts", "split_part(label, ':', 1)", "status AS label, count(*) AS number FROM attempts"
    ),
    "counters of deliveries that are not those of the rows": _miscounted(
        "deliveries", "label", "status AS label, count(*) AS number FROM deliveries"
    ),
    "attempts with a hole in their numbers": (
        "SELECT count(*) FROM (SELECT run_id FROM attempts GROUP BY run_id"
        " HAVING max(number) <> count(*) OR min(number) <> 1) AS holes"
    ),
    "runs whose count of attempts is not that of their rows": (
        "SELECT count(*) FROM runs WHERE kind <> 'operation'"
        " AND attempt <> (SELECT count(*) FROM attempts WHERE run_id = runs.id)"
    ),
}


def of_processes(installation: Installation, *, is_gentle: bool) -> list[str]:
    """Return which processes have ended by themselves, whatever became of the database."""
    killed = {-signal.SIGKILL}
    return [
        f"{member.name} ended by itself: {member.exits}"
        for member in installation.members
        if set(member.exits) - (set() if is_gentle and member.name != "server" else killed)
    ]


async def prune(installation: Installation, load: Load) -> None:
    """Have what killed processes wrote and never committed removed, as old as if it were days ago."""
    long_ago = time.time() - _LONG_AGO_SECONDS
    for file in _files(installation.directory / "shared"):
        os.utime(file, (long_ago, long_ago))
    await load.prune()


async def of_disk(installation: Installation) -> list[str]:
    """Return what lies on the disk, with everything stopped, and should not."""
    wrong: list[str] = []
    in_some_days = time.time() + _LONG_AGO_SECONDS
    for member in installation.members:
        # What a process that was killed in the middle of it had half fetched goes in time, by design.
        cache_gc.sweep_leftovers(installation.directory / member.name, now=in_some_days)
        runners = installation.directory / member.name / "runners"
        if runners.is_dir():
            wrong += [f"left over: {each}" for each in runners.iterdir()]
        for name in ("deployments", "environments"):
            folder = installation.directory / member.name / name
            kept = folder.iterdir() if folder.is_dir() else ()
            wrong += [
                f"left over: {each}" for each in kept if "." in each.name.removesuffix(".lock")
            ]
    wrong += [f"left over: {each}" for each in installation.temporary.iterdir()]
    connection: Any = await asyncpg.connect(installation.database_url)
    try:
        rows = await connection.fetch(
            "SELECT blob FROM files"
            " UNION SELECT 'bundles/' || bundle_sha256 || '.tar.gz' FROM deployments"
        )
    finally:
        await connection.close()
    shared = installation.directory / "shared"
    stored = {str(each.relative_to(shared)) for each in _files(shared)}
    named = {row["blob"] for row in rows}
    wrong += [f"a blob of no row: {each}" for each in sorted(stored - named)]
    wrong += [f"a row without its blob: {each}" for each in sorted(named - stored)]
    return wrong


def _wrong_ending(
    run: Accepted, attempts: list[dict[str, Any]], faults: Sequence[Fault]
) -> list[str]:
    ended = run.ended
    assert ended is not None
    is_explained = ended["status"] == "failed" and _is_explained(run, attempts, faults)
    if is_explained or (run.kind == "canceled" and ended["status"] == "canceled"):
        return []
    if run.kind in _OWN_CODES:
        codes = [(each.get("error") or {}).get("code") for each in attempts]
        is_own = ended["status"] == "failed" and _OWN_CODES[run.kind] in codes
        return [] if is_own else [f"should have failed by itself: {ended}"]
    if ended["status"] != "completed":
        return [f"should have completed: {ended}"]
    found, wanted = ended["result"], _result(run)
    return [] if found == wanted else [f"returned {found!r:.100} and not {wanted!r:.100}"]


def _is_explained(run: Accepted, attempts: list[dict[str, Any]], faults: Sequence[Fault]) -> bool:
    """Return whether a Run used up its Attempts, and each was taken by something that went wrong while it went on."""
    if len(attempts) < run.maximum_attempts:
        return False
    own = _OWN_CODES.get(run.kind, "")
    return all(
        (each.get("error") or {}).get("code") == own or _is_taken(each, _that_take(each, faults))
        for each in attempts
    )


def _that_take(attempt: dict[str, Any], faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults that may have taken an Attempt with what it failed with."""
    error = attempt.get("error") or {}
    if error.get("code") in _CODES_OF_FAULTS:
        return [fault for fault in faults if fault.takes_attempts]
    if any(word in str(error.get("message")) for word in _WORDS_OF_BROWSERS):
        # The author's code met it, as Playwright tells it.
        return [fault for fault in faults if fault.what in _FAULTS_OF_BROWSERS]
    return []


def _is_taken(attempt: dict[str, Any], faults: Sequence[Fault]) -> bool:
    """Return whether one of the faults happened while this Attempt went on, or a little before."""
    ended = datetime.fromisoformat(attempt["endedAt"]).timestamp()
    began = datetime.fromisoformat(attempt["startedAt"] or attempt["endedAt"]).timestamp()
    return any(
        fault.began < ended and fault.ended + _HEARTBEAT_MARGIN_SECONDS > began for fault in faults
    )


def _wrong_attempts(run: Accepted, attempts: list[dict[str, Any]]) -> list[str]:
    assert run.ended is not None
    statuses = [each["status"] for each in attempts]
    wrong: list[str] = []
    if statuses.count("completed") != (run.ended["status"] == "completed"):
        wrong.append(f"is {run.ended['status']} with attempts {statuses}")
    if len(attempts) > run.maximum_attempts:
        wrong.append(f"had {len(attempts)} attempts of {run.maximum_attempts}")
    if run.ended["status"] == "completed" and statuses[-1:] != ["completed"]:
        wrong.append(f"went on after it had completed: {statuses}")
    return wrong


def _result(run: Accepted) -> Any:
    parameters = run.body["parameters"]
    number = parameters.get("n")
    return {
        "fast": parameters,
        "page": [number, "Hello"],
        "slow": number,
        "canceled": number,
        "huge": "x" * projects.HUGE_BYTES,
        "download": number,
        "home": "Welcome",
        "meet": "met",
    }[run.kind]


def _name(run: Accepted) -> str:
    return f"run {run.run_id} ({run.kind}, {run.maximum_attempts} attempts)"


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
