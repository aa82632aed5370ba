"""Every error response has the common body, and bad input changes nothing."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from helpers.server import RunwrightServer

_FIELDS = {"code", "category", "message", "retirable", "correlationId"}
_START = "/projects/errors/run/start"
_WITH = b'{"api": "typed", "parameters": {"pages": 1, "more": %s}}'


@pytest.fixture(scope="module", name="client")
def _client(server: RunwrightServer) -> Any:
    source = (
        "from typing import TypedDict\n"
        "class Params(TypedDict):\n    pages: int\n"
        "async def automation(page, params: Params):\n    return params['pages']\n"
    )
    assert server.deploy("errors", {"api/typed.py": source})["status"] == "ready"
    with server.client() as client:
        yield client


def _refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert set(body) >= _FIELDS
    assert body["correlationId"] == answer.headers["x-correlation-id"]
    return body


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "api"),
        ({"api": "typed"}, "parameters"),
        ({"api": 1, "parameters": {}}, "api"),
        ({"api": "typed", "parameters": []}, "parameters"),
        ({"api": "none", "parameters": {}}, "api"),
        ({"api": "typed", "parameters": {"pages": "2"}}, "parameters.pages"),
        ({"api": "typed", "parameters": {"pages": 1}, "requestTimeout": 0}, "requestTimeout"),
        ({"api": "typed", "parameters": {"pages": 1}, "requestTimeout": 1.5}, "requestTimeout"),
        ({"api": "typed", "parameters": {"pages": 1}, "requestTimeout": True}, "requestTimeout"),
        (
            {"api": "typed", "parameters": {"pages": 1}, "retry": {"maximumAttempts": 0}},
            "retry.maximumAttempts",
        ),
        ({"api": "typed", "parameters": {"pages": 1}, "saveTrace": "no"}, "saveTrace"),
        ({"api": "typed", "parameters": {"pages": 1}, "proxy": "ftp://x"}, "proxy"),
    ],
)
def test_a_wrong_field_is_named(client: httpx2.Client, body: dict[str, Any], path: str) -> None:
    before = client.get("/projects/errors/runs").json()

    found = _refused(client.post(_START, json=body), 400, "validation-error")

    assert path in [each["path"] for each in found["details"]]
    assert client.get("/projects/errors/runs").json() == before


def test_null_is_absent_and_unknown_fields_are_ignored(client: httpx2.Client) -> None:
    body = {"api": "typed", "parameters": {"pages": 1}, "proxy": None, "retry": None, "later": 1}

    answer = client.post(_START, json=body)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "validation-error"),
        (b"\xff", "application/json", 400, "validation-error"),
        (b'{"api": NaN}', "application/json", 400, "validation-error"),
        (_WITH % b"1e999", "application/json", 400, "validation-error"),
        (_WITH % b"[-1E+0400]", "application/json", 400, "validation-error"),
        (_WITH % (b"1" * 310 + b".0"), "application/json", 400, "validation-error"),
        (_WITH % b"-Infinity", "application/json", 400, "validation-error"),
        (_WITH % (b"1" * 5000), "application/json", 400, "validation-error"),
        (_WITH % rb'"\ud800"', "application/json", 400, "validation-error"),
        (b"[" * 100_000, "application/json", 400, "validation-error"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b" " * (10 * 1024 * 1024 + 1), "application/json", 413, "payload-too-large"),
    ],
    ids=[
        "half",
        "not UTF-8",
        "NaN",
        "1e999",
        "-1e400",
        "310 digits",
        "infinity",
        "5000 digits",
        "half a pair",
        "deep",
        "no JSON",
        "10 MiB and one",
    ],
)
def test_a_body_that_cannot_be_read(
    client: httpx2.Client, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = client.post(_START, content=content, headers={"content-type": kind})

    _refused(answer, status, code)


@pytest.mark.parametrize(
    "query",
    [
        {"attribute": "a:1e999"},
        {"attribute": 'a:"\\u0000"'},
        {"attribute": "a\0:1"},
        {"since": "9999-12-31T23:59:59-23:59"},
        {"until": "0001-01-01T00:00:00+23:59"},
        {"limit": "1e999"},
        {"limit": "9" * 5000},
        {"api": "a\0"},
    ],
    ids=str,
)
def test_what_no_run_can_have_is_asked_in_vain(
    client: httpx2.Client, query: dict[str, str]
) -> None:
    answer = client.get("/projects/errors/runs", params=query)

    assert answer.status_code == 400 or answer.json()["runs"] == []


def test_unknown_routes_and_methods(server: RunwrightServer, client: httpx2.Client) -> None:
    _refused(httpx2.get(f"{server.url}/nothing", timeout=60), 404, "not-found")
    _refused(client.get("/projects/errors/nothing"), 404, "not-found")
    _refused(client.delete(_START), 405, "method-not-allowed")


@pytest.mark.parametrize("key", ["", "rw_wrong", "wrong", "rw_ü"])
def test_without_a_valid_key_nothing_is_told(server: RunwrightServer, key: str) -> None:
    base = f"{server.url}/api/v1/workspace/{server.workspace_id}"
    headers = [(b"x-api-key", key.encode())]

    for path in ("/projects", "/projects/none/runs", "/runs/none", "/keys"):
        _refused(httpx2.get(f"{base}{path}", headers=headers, timeout=60), 401, "unauthorized")


def test_a_key_of_another_workspace_finds_nothing(server: RunwrightServer) -> None:
    base = f"{server.url}/api/v1/workspace/00000000-0000-4000-8000-000000000000"
    headers = {"x-api-key": server.api_key}

    _refused(httpx2.get(f"{base}/projects", headers=headers, timeout=60), 404, "not-found")
    _refused(
        httpx2.get(f"{server.url}/api/v1/workspace/x/keys", headers=headers, timeout=60),
        404,
        "not-found",
    )


def test_a_key_does_what_its_scopes_say_until_it_is_revoked(client: httpx2.Client) -> None:
    made = client.post("/keys", json={"name": "reader", "scopes": ["read"]}).json()
    headers = {"x-api-key": made["key"]}
    base = str(client.base_url).rstrip("/")

    assert httpx2.get(f"{base}/projects", headers=headers, timeout=60).status_code == 200
    _refused(httpx2.post(f"{base}{_START}", headers=headers, json={}, timeout=60), 403, "forbidden")
    _refused(httpx2.get(f"{base}/keys", headers=headers, timeout=60), 403, "forbidden")
    assert client.delete(f"/keys/{made['id']}").status_code == 204
    _refused(httpx2.get(f"{base}/projects", headers=headers, timeout=60), 401, "unauthorized")
    assert made["key"] not in client.get("/keys").text


def test_one_idempotency_key_makes_one_run(client: httpx2.Client) -> None:
    body = {"api": "typed", "parameters": {"pages": 1}}
    headers = {"idempotency-key": "one"}

    first = client.post(_START, json=body, headers=headers).json()
    again = client.post(_START, json=body, headers=headers).json()
    other = client.post(_START, json={**body, "saveTrace": False}, headers=headers)

    assert first["runId"] == again["runId"]
    _refused(other, 409, "conflict")


def test_pages_of_runs_go_on_where_the_last_ended(client: httpx2.Client) -> None:
    body = {"api": "typed", "parameters": {"pages": 1}}
    made = [client.post(_START, json=body).json()["runId"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}

    while len(seen) < 5:
        page = client.get("/projects/errors/runs", params={"limit": 2, **cursor}).json()
        seen += [each["runId"] for each in page["runs"]]
        cursor = {"cursor": page["nextCursor"]}

    assert seen[:5] == made[::-1]
    _refused(client.get("/projects/errors/runs?cursor=x"), 400, "validation-error")


def test_a_request_that_is_no_http_gets_an_answer(server: RunwrightServer) -> None:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as raw:
        raw.sendall(b"NOT HTTP AT ALL\r\n\r\n")

        assert raw.recv(1000).startswith(b"HTTP/1.1 400")


def test_the_document_names_both_mounts(server: RunwrightServer) -> None:
    document = json.loads(httpx2.get(f"{server.url}/openapi.json", timeout=60).text)

    for mount, status in (("api", "200"), ("sdk", "201")):
        path = f"/{mount}/v1/workspace/{{workspace_id}}/projects/{{project_name}}/run/start"
        assert status in document["paths"][path]["post"]["responses"]
