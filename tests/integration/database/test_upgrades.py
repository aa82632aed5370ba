"""Every earlier state of the schema, with data in it, under today's code."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from helpers import clusters
from helpers.held import claimed
from helpers.server import pack, serving

from runwright.adapters.queue import engine
from runwright.control.base.platform import Platform
from runwright.control.deliveries import deliveries
from runwright.control.projects import deployments, projects
from runwright.control.runs import attempts, claims, runs
from runwright.control.runs.claims import Claim
from runwright.domain.ids import ProjectId, WorkerId, WorkspaceId
from runwright.domain.runs import Outcome, RunStatus
from runwright.storage import database, entries

_MIGRATIONS = sorted((Path(database.__file__).parent / "migrations").glob("*.sql"))
_STATES = [file.name for file in _MIGRATIONS[:-1]]
_SOURCE = {"api/a.py": "async def automation(page, params):\n    return params\n"}
_FAILURE = {
    "code": "script-timeout", "category": "execution", "message": "late", "retryable": True, "details": {}
}  # fmt: skip
# As the first version wrote it.
_MANIFEST = {
    "apis": [{"name": "a", "description": None, "parameters_schema": None, "result_schema": None}],
    "settings": {
        "kind": "native", "is_api_access_enabled": True, "max_concurrent_runs": None, "headful": False,
        "window_width": 1280, "window_height": 800, "user_agent": None, "browser": "shell",
        "isolation": "module", "has_auth_sessions": False, "default_proxy": None,
        "default_maximum_attempts": None, "default_request_timeout": None, "unsupported": [],
    },
    "requirements": {"python": None, "packages": []},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Old:
    """An installation as an earlier version left it."""

    workspace_id: uuid.UUID
    project_id: uuid.UUID
    deployment_id: uuid.UUID


async def _make(url: str, state: str, directory: Path, bundle: str = "0" * 64) -> _Old:
    """Bring an empty database to the state, and put in what there could be then."""
    steps = directory / "steps"
    steps.mkdir()
    for file in _MIGRATIONS:
        if file.name <= state:
            shutil.copy(file, steps)
    async with database.connect(url, min_size=1, max_size=2) as pool:
        await database.migrate(pool, steps)
        async with pool.acquire() as connection:
            await engine.install(connection)
            return await _fill(connection, bundle)


async def _fill(connection: Any, bundle: str) -> _Old:
    old = _Old(workspace_id=uuid.uuid4(), project_id=uuid.uuid4(), deployment_id=uuid.uuid4())
    has = {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables")}
    ids = (old.deployment_id, old.project_id, old.workspace_id)
    await connection.execute("INSERT INTO workspaces (id, name) VALUES ($1, 'w')", ids[2])
    await connection.execute(
        "INSERT INTO projects (id, workspace_id, name) VALUES ($1, $2, 'p')", *ids[1:]
    )
    await connection.execute(
        "INSERT INTO deployments (id, project_id, number, bundle_sha256, status, manifest, ended_at"
        + (", workspace_id) SELECT $1, $2, 1, $5, 'ready', $4, now(), id" if "entries" in has
           else ") SELECT $1, $2, 1, $5, 'ready', $4, now()")
        + " FROM workspaces WHERE id = $3",
        *ids, json.dumps(_MANIFEST), bundle,
    )  # fmt: skip
    await connection.execute("UPDATE projects SET current_deployment_id = $1", ids[0])
    run = (
        "INSERT INTO runs (deployment_id, project_id, workspace_id, id, api, parameters, save_trace,"
        " request_timeout, maximum_attempts, turn, status, result, failure, started_at, ended_at, attempt)"
        " VALUES ($1, $2, $3, $4, 'a', '{\"n\": 1}', false, interval '60 s', 2, 0, $5, $6, $7, $8, $9, $10)"
    )
    at = await connection.fetchval("SELECT now() - interval '1 hour'")
    await connection.execute(run, *ids, "done", "completed", '{"n": 1}', None, at, at, 1)
    await connection.execute(run, *ids, "failed", "failed", None, json.dumps(_FAILURE), at, at, 1)
    await connection.execute(run, *ids, "waits", "pending", None, None, None, None, 0)
    await connection.execute(run, *ids, "begun", "started", None, None, at, None, 1)
    await connection.execute(
        "INSERT INTO attempts (run_id, number, fence, worker_id, status, started_at, ended_at)"
        " VALUES ('done', 1, 1, gen_random_uuid(), 'completed', $1, $1),"
        " ('begun', 1, 0, gen_random_uuid(), 'started', $1, NULL)",
        at,
    )
    await connection.execute(
        "INSERT INTO log_lines (run_id, attempt, at, stream, level, text)"
        " VALUES ('done', 1, $1, 'stdout', 'info', 'said')",
        at,
    )
    await connection.execute(
        "INSERT INTO files (run_id, attempt, kind, name, size_bytes, blob)"
        " VALUES ('done', 1, 'trace', 'trace.zip', 3, 'runs/done/1/x')"
    )
    if "entries" in has:
        await connection.execute(
            "INSERT INTO entries VALUES ($1, 'kv-store', 'k', '\"v\"', now())", ids[1]
        )
    if "deliveries" in has:
        await connection.execute(
            "INSERT INTO deliveries (id, project_id, run_id, kind, target, sealed_sink, status, ended_at)"
            " VALUES ('msg', $1, 'done', 'webhook', 'https://example.com', '\\x00', 'delivered', now())",
            ids[1],
        )
    return old


@pytest.mark.parametrize("state", _STATES)
async def test_what_an_earlier_state_holds_is_right_under_todays_code(
    postgresql: str, tmp_path: Path, state: str, open_platform: Callable[..., Any]
) -> None:
    name = f"upgrade_{uuid.uuid4().hex}"
    connection: Any = await asyncpg.connect(postgresql)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = postgresql.replace("/postgres?", f"/{name}?")
    old = await _make(url, state, tmp_path)
    async with database.connect(url, min_size=1, max_size=2) as pool:
        assert await database.migrate(pool)

    async with open_platform(url, tmp_path) as platform:
        await _check_what_is_over(platform, old, state)
        await _check_what_waited(platform, old)


async def _check_what_is_over(platform: Platform, old: _Old, state: str) -> None:
    project_id = ProjectId(old.project_id)
    project = await projects.find(platform, WorkspaceId(old.workspace_id), "p")
    detail = await runs.detail(platform, project.workspace_id, "done")
    failed = await runs.get(platform, project_id, "failed")

    assert project.current is not None
    assert project.current.manifest is not None
    assert [api.name for api in project.current.manifest.apis] == ["a"]
    assert len(await deployments.list_all(platform, project_id)) == 1
    assert (detail.run.status, detail.run.result) == (RunStatus.COMPLETED, '{"n": 1}')
    assert [file.name for file in detail.files] == ["trace.zip"]
    assert [each.number for each in detail.attempts] == [1]
    assert failed.failure is not None
    assert failed.failure.code.value == "script-timeout"
    if state >= "0002":
        assert await entries.get(platform.database, project_id, "kv-store", "k") == '"v"'
    if state >= "0004":
        delivery, _ = await deliveries.get(platform, project_id, "msg")
        assert delivery.status.value == "delivered"


async def _check_what_waited(platform: Platform, old: _Old) -> None:
    begun = await claims.take(platform, "begun", WorkerId(uuid.uuid4()))
    claim = await claimed(platform, "waits")
    await attempts.end(platform, claim, Outcome(result="2"))

    assert isinstance(begun, Claim)
    assert (begun.attempt, len(begun.earlier)) == (2, 1)
    ended = await runs.get(platform, ProjectId(old.project_id), "waits")
    assert ended.status is RunStatus.COMPLETED


async def test_what_waited_in_the_first_state_is_carried_out_by_todays_server(
    tmp_path: Path,
) -> None:
    bundle = pack(_SOURCE)
    sha256 = hashlib.sha256(bundle).hexdigest()
    shared = tmp_path / "shared" / "bundles"
    shared.mkdir(parents=True)
    (shared / f"{sha256}.tar.gz").write_bytes(bundle)
    with clusters.postgresql(tmp_path / "postgresql") as url:
        old = await _make(url, "0001_pre_first.sql", tmp_path, sha256)
        with serving(tmp_path / "data", **clusters.settings(tmp_path, url)) as server:
            assert server.workspace_id == str(old.workspace_id)

            # Both have no queue entry: a version that was stopped hard may have left them so.
            for run_id in ("waits", "begun"):
                found = server.result("p", run_id)
                assert (found["status"], found["result"]) == ("completed", {"n": 1})
            assert server.result("p", "done")["result"] == {"n": 1}
            assert server.run("p", "a", {"n": 5})["result"] == {"n": 5}
