"""Authorization: every route of the OpenAPI document, called with every key that must be refused."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from helpers import clusters
from helpers.server import RunwrightServer, eventually, serving
from outside import receivers

_MOUNT = "/api/v1/workspace/{workspace_id}"
_REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "http.md"
_SCOPES = ("read", "run", "deploy", "admin")
_NAMES = ("workspace_id", "project_name", "name", "key_id", "task_id")
_JOB = {"payload": [{"apiName": "a", "parameters": {}}], "configuration": {}}
_BODY = {"parameters": {}, "value": "v", "name": "n", "api": "a", **_JOB}
_PROJECT = {
    "a": {
        "api/a.py": (
            "async def automation(page, params):\n    print('a line')\n"
            "    await page.goto('about:blank')\n    return 'ours'\n"
        )
    },
    "s": {
        "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
        "auth-sessions/create.py": "async def create(page, params):\n    pass\n",
        "auth-sessions/check.py": "async def check(page):\n    return True\n",
        "api/a.py": "async def automation(page, params):\n    return 1\n",
    },
}


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of the OpenAPI document."""

    method: str
    path: str
    """Relative to the workspace."""

    @property
    def ids(self) -> list[str]:
        """The placeholders of ids that belong to a project."""
        return [each for each in re.findall(r"{(\w+)}", self.path) if each not in _NAMES]


@dataclass(kw_only=True)
class Installation:
    """A server with two workspaces; one has a project with one of everything."""

    server: RunwrightServer
    http: httpx2.Client
    routes: list[Route]
    other_workspace_id: str
    other_key: str
    ids: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """By project."""

    def call(
        self,
        route: Route,
        key: str,
        *,
        workspace_id: str | None = None,
        project: str = "none-such",
        ids: dict[str, Any] | None = None,
    ) -> httpx2.Response:
        """Call a route, with its placeholders filled in."""
        values = dict.fromkeys((*route.ids, *_NAMES), "1")
        values |= ids or {}
        values["project_name"] = project
        path = re.sub(r"{(\w+)}", lambda found: str(values[found[1]]), route.path)
        base = f"{self.server.url}/api/v1/workspace/{workspace_id or self.server.workspace_id}"
        body = None if route.method in ("GET", "DELETE") else _BODY
        return self.http.request(
            route.method, f"{base}{path}", headers={"x-api-key": key}, json=body
        )


@pytest.fixture(scope="module", name="installation")
def _installation(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    directory = tmp_path_factory.mktemp("access")
    with (
        clusters.postgresql(directory / "pg") as url,
        serving(
            directory / "data",
            RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE="true",
            **clusters.settings(directory, url),
        ) as server,
        receivers.serving() as receiver,
        httpx2.Client(timeout=30) as http,
    ):
        document = httpx2.get(f"{server.url}/openapi.json", timeout=60).json()
        routes = [
            Route(method=method.upper(), path=path.removeprefix(_MOUNT))
            for path, methods in document["paths"].items()
            if path.startswith(_MOUNT)
            for method in methods
        ]
        import asyncio

        other_workspace_id, other_key = asyncio.run(_other_workspace(url))
        found = Installation(
            server=server,
            http=http,
            routes=routes,
            other_workspace_id=other_workspace_id,
            other_key=other_key,
        )
        _fill(found, receiver.url)
        yield found


async def _other_workspace(url: str) -> tuple[str, str]:
    workspace_id, secret = uuid.uuid4(), f"rw_{uuid.uuid4().hex}"
    connection: Any = await asyncpg.connect(url)
    await connection.execute("INSERT INTO workspaces (id, name) VALUES ($1, 'o')", workspace_id)
    await connection.execute(
        "INSERT INTO api_keys (id, workspace_id, name, secret_sha256, scopes)"
        " VALUES ('other', $1, 'o', $2, $3)",
        workspace_id,
        hashlib.sha256(secret.encode()).digest(),
        list(_SCOPES),
    )
    await connection.close()
    return str(workspace_id), secret


def _fill(installation: Installation, webhook: str) -> None:
    """Create one of everything that a project can own; a second project has nothing."""
    server = installation.server
    deployed = {name: server.deploy(name, files) for name, files in _PROJECT.items()}
    server.deploy("theirs", _PROJECT["s"])
    run_id = server.start("a", "a", sink={"type": "webhook", "url": webhook}, saveTrace=True)
    assert server.result("a", run_id)["status"] == "completed"
    eventually(lambda: server.detail(run_id)["files"])
    with server.client() as client:
        client.put("/projects/a/variables/SECRET", json={"value": "v"})
        sent = client.get("/projects/a/deliveries").json()["deliveries"]
        assert client.post("/projects/a/jobs", json={"id": "a-job", **_JOB}).is_success
        job_run_id = client.post("/projects/a/jobs/a-job/trigger").json()["jobRunId"]
        path = f"/projects/a/jobs/a-job/runs/{job_run_id}"
        eventually(lambda: client.get(path).json()["jobRun"]["status"] == "SUCCESS", within=60)
    operation_id = server.begin("s", "create", {"id": "session", "parameters": {}})
    server.operation("s", "create", operation_id)
    file_id = int(re.findall(r"/files/(\d+)", str(server.detail(run_id)["files"]))[0])
    installation.ids = {
        "a": {
            "run_id": run_id,
            "file_id": file_id,
            "deployment_id": deployed["a"]["id"],
            "delivery_id": sent[0]["deliveryId"],
            "job_id": "a-job",
            "job_run_id": job_run_id,
            "name": "SECRET",
        },
        "s": {"session_id": "session", "operation_id": operation_id},
    }


def _owned(installation: Installation) -> Iterable[tuple[Route, str, dict[str, Any]]]:
    """Every route to something that a project owns, with the kind of thing."""
    for route in installation.routes:
        for project, ids in installation.ids.items():
            if route.ids and set(route.ids) <= set(ids):
                yield route, project, ids


def test_every_placeholder_is_known_here(installation: Installation) -> None:
    known = {name for ids in installation.ids.values() for name in ids}

    found = {name for route in installation.routes for name in route.ids}

    assert found <= known, "create one of the new kind in `_fill`, so that access to it is tested"
    assert len(installation.routes) > 35


def test_no_route_answers_without_a_good_key(installation: Installation) -> None:
    with installation.server.client() as client:
        made = client.post("/keys", json={"name": "n", "scopes": list(_SCOPES)}).json()
        assert client.delete(f"/keys/{made['id']}").is_success
    bad = ["", "rw_", "rw_" + "a" * 43, installation.server.api_key[:-1], made["key"], "rw_é"]

    for route in installation.routes:
        for mount in ("/api", "/sdk"):
            url = (
                f"{installation.server.url}{mount}/v1/workspace/{installation.server.workspace_id}"
            )
            path = re.sub(r"{\w+}", "1", route.path)
            for key in bad:
                headers = {b"x-api-key": key.encode()} if key else {}
                answer = installation.http.request(route.method, f"{url}{path}", headers=headers)
                assert answer.status_code == 401, (route, key)
                assert answer.json()["code"] == "unauthorized"


def test_scopes_are_those_of_the_reference(installation: Installation) -> None:
    keys: dict[str, str] = {}
    with installation.server.client() as client:
        for scope in _SCOPES:
            made = client.post("/keys", json={"name": scope, "scopes": [scope]}).json()
            keys[scope] = made["key"]
    documented = _documented_scopes()

    for route in installation.routes:
        wanted = documented[route.method, route.path]
        good = {wanted, "admin", *(("run",) if wanted == "read" else ())}
        for scope, key in keys.items():
            answer = installation.call(route, key)
            is_refused = answer.status_code == 403
            assert is_refused == (scope not in good), (route, scope, answer.status_code)
            assert answer.status_code != 401


def test_a_key_of_another_workspace_finds_nothing(installation: Installation) -> None:
    for route in installation.routes:
        answer = installation.call(route, installation.other_key, project="a")
        assert answer.status_code == 404, (route, answer.text)


def test_what_another_workspace_owns_is_not_found(installation: Installation) -> None:
    owned = list(_owned(installation))
    assert len(owned) > 15

    for route, project, ids in owned:
        answer = installation.call(
            route,
            installation.other_key,
            workspace_id=installation.other_workspace_id,
            project=project,
            ids=ids,
        )
        assert answer.status_code == 404, (route, answer.text)


def test_what_another_project_owns_is_not_found(installation: Installation) -> None:
    key = installation.server.api_key
    before = _everything(installation)

    for route, _, ids in _owned(installation):
        if "{project_name}" in route.path:
            answer = installation.call(route, key, project="theirs", ids=ids)
            assert answer.status_code == 404, (route, answer.text)

    assert _everything(installation) == before


def test_lists_of_another_project_show_nothing(installation: Installation) -> None:
    key = installation.server.api_key
    secret = {str(each) for ids in installation.ids.values() for each in ids.values()}
    lists = [
        route
        for route in installation.routes
        if route.method == "GET" and not route.ids and "{project_name}" in route.path
    ]
    assert len(lists) > 5

    for route in lists:
        answer = installation.call(route, key, project="theirs")
        assert answer.status_code == 200, route
        assert not [each for each in secret if len(each) > 3 and f'"{each}"' in answer.text], route


def _everything(installation: Installation) -> list[Any]:
    server = installation.server
    with server.client() as client:
        deliveries = client.get("/projects/a/deliveries").json()
        variables = client.get("/projects/a/variables").json()
        jobs = client.get("/projects/a/jobs").json()
    files = re.sub(r"\?.*?'", "'", str(server.detail(installation.ids["a"]["run_id"])["files"]))
    return [files, server.sessions("s"), deliveries, variables, jobs]


def _documented_scopes() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for line in _REFERENCE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 5 or not re.match(r"`(GET|POST|PUT|DELETE) /", cells[1]):
            continue
        path = ""
        calls: list[tuple[str, str]] = []
        for method, given in re.findall(r"`(GET|POST|PUT|DELETE) ?(/[^`]*)?`", cells[1]):
            path = given or path
            calls.append((method, path))
        scopes = cells[2].split(", ")
        for number, call in enumerate(calls):
            found[call] = scopes[min(number, len(scopes) - 1)]
    return found
