"""Typed parameters from every entry point to the function; and plain ones in the other format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from helpers import command_line
from helpers.server import RunwrightServer, eventually

_TYPES = '''\
"""What the Apis take."""
from __future__ import annotations
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, HttpUrl

if TYPE_CHECKING:
    from nowhere import Nothing


class Currency(StrEnum):
    EURO = "EUR"
    DOLLAR = "USD"


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)


class Link(BaseModel):
    url: HttpUrl


@dataclass
class Order:
    day: date
    currency: Currency = Currency.EURO
    total: Decimal = Decimal(0)
    tree: Node | None = None
    links: dict[str, Link] = field(default_factory=dict)
    more: Nothing = None
'''
_ORDER = '''\
from __future__ import annotations
from typing import TYPE_CHECKING
from parts.types import Link, Order

if TYPE_CHECKING:
    from playwright.async_api import Page


async def automation(page: Page, params: Order) -> list[Link]:
    """Takes an order."""
    print(params)
    kinds = [type(each).__name__ for each in (params.day, params.currency, params.total)]
    return [kinds, params, list(params.links.values())]
'''
NATIVE = {
    "pyproject.toml": "[tool.runwright]\n",
    "parts/types.py": _TYPES,
    "api/order.py": _ORDER,
    "api/alone.py": "async def automation(page):\n    return 'no parameters'\n",
    "api/extends.py": (
        "from runwright.sdk import extend_payload\n"
        "async def automation(page, params):\n"
        "    extend_payload({'api': 'order', 'parameters': {'dya': '2026-01-31'}})\n"
        "    return 'extended'\n"
    ),
    "api/a/b.py": (
        "from parts.types import Node\nasync def automation(page, params: Node) -> Node:\n    return params\n"
    ),
    "api/a_b.py": (
        "from parts.types import Node\nasync def automation(page, params: Node) -> Node:\n    return params\n"
    ),
    ".parameters/api/order/good.json": '{"day": "2026-01-31"}',
    ".parameters/api/order/old.json": '{"date": "2026-01-31", "day": "2026-01-31"}',
}
GOOD: dict[str, Any] = {
    "day": "2026-01-31",
    "currency": "USD",
    "total": "12.50",
    "tree": {"name": "a", "children": [{"name": "b"}]},
    "links": {"home": {"url": "https://example.com/"}},
}
WRONG = {"dya": "2026-01-31", "currency": "YEN", "tree": {"name": "a", "children": [{"nam": "b"}]}}
SAID = {
    ("day", "is missing"),
    ("dya", "is unknown: did you mean `day`?"),
    ("currency", 'must be one of "EUR", "USD", not "YEN"'),
    ("tree.children.0.name", "is missing"),
    ("tree.children.0.nam", "is unknown: did you mean `name`?"),
}


@pytest.fixture(scope="module", name="native")
def _native(server: RunwrightServer) -> str:
    deployed = server.deploy("orders", NATIVE)
    assert deployed["status"] == "ready", deployed["error"]
    said = "\n".join(deployed["progress"])
    assert "`api/order.py`: `parameters.more` cannot be resolved here (NameError" in said
    assert "`api/order.py`: the sample `old` is invalid: `parameters.date` is unknown" in said
    assert "sample `good`" not in said
    return "orders"


def test_parameters_arrive_as_the_types_that_the_function_asks_for(
    server: RunwrightServer, native: str
) -> None:
    assert server.run(native, "order", GOOD)["result"] == [
        ["date", "Currency", "Decimal"],
        {**GOOD, "more": None, "tree": {"name": "a", "children": [{"name": "b", "children": []}]}},
        [{"url": "https://example.com/"}],
    ]
    assert server.run(native, "alone", {})["result"] == "no parameters"


def test_wrong_parameters_are_told_alike_at_every_door(
    server: RunwrightServer, native: str
) -> None:
    with server.client() as client:
        started = client.post(
            f"/projects/{native}/run/start", json={"api": "order", "parameters": WRONG}
        )
        job = {
            "id": "j",
            "payload": [{"apiName": "order", "parameters": each} for each in (GOOD, WRONG)],
        }
        created = client.post(f"/projects/{native}/jobs", json={**job, "configuration": {}})

    assert (started.status_code, created.status_code) == (400, 400)
    assert _said(started, "parameters.") == SAID
    assert _said(created, "payload.1.parameters.") == SAID


def _said(answer: Any, prefix: str) -> set[tuple[str, str]]:
    return {
        (each["path"].removeprefix(prefix), each["message"]) for each in answer.json()["details"]
    }


def test_an_item_that_another_run_asked_for_fails_once_with_the_same_words(
    server: RunwrightServer, native: str
) -> None:
    job = {
        "id": "extends",
        "payload": [{"apiName": "extends", "parameters": {}, "retry": {"maximumAttempts": 1}}],
        "configuration": {"retry": {"maximumAttempts": 3}},
    }
    with server.client() as client:
        assert client.post(f"/projects/{native}/jobs", json=job).status_code == 201
        job_run = client.post(f"/projects/{native}/jobs/extends/trigger").json()["jobRunId"]

        def ended() -> list[dict[str, Any]]:
            found = client.get(f"/projects/{native}/runs", params={"jobRunId": job_run}).json()
            return [
                run for run in found["runs"] if run["api"] == "order" and run["status"] == "failed"
            ]

        (run,) = eventually(ended)
    failure = server.detail(run["runId"])["error"]

    assert (failure["code"], failure["category"]) == ("script-execution-exception", "user")
    assert "`parameters.dya` is unknown: did you mean `day`?" in failure["message"]
    assert len(server.detail(run["runId"])["attempts"]) == 1


def test_the_document_of_typed_apis_is_valid_and_resolves_in_itself(
    server: RunwrightServer, native: str
) -> None:
    with server.client() as client:
        document = client.get(f"/projects/{native}/openapi.json").json()

    openapi_spec_validator.validate(document)
    schemas = document["components"]["schemas"]
    references = {part.split('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]}
    assert {each.removeprefix("#/components/schemas/") for each in references} <= set(schemas)
    assert {"a_b.Node", "a_b-2.Node", "order.Node", "order.result.Link"} <= set(schemas)


def test_a_job_in_code_that_does_not_fit_fails_the_deploy_and_the_check(
    server: RunwrightServer, native: str, tmp_path: Path
) -> None:
    job = {
        "payload": [{"apiName": "order", "parameters": {"dya": "2026-01-31"}}],
        "configuration": {},
    }
    files = {**NATIVE, "intuned-resources/jobs/daily.job.json": json.dumps(job)}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    deployed = server.deploy("daily", files)
    checked = command_line.run(None, "check", str(tmp_path), cwd=tmp_path)

    told = "The job `daily`: `payload.0.parameters"
    assert (deployed["status"], told in deployed["error"]) == ("failed", True)
    assert (checked.returncode, told in checked.stderr) == (1, True), checked.stderr
    assert "`parameters.more` cannot be resolved here" in checked.stderr


def test_dev_refuses_what_the_server_would(tmp_path: Path) -> None:
    for name, text in NATIVE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    words = ("dev", "order", "--params")
    refused = command_line.run(None, *words, json.dumps(WRONG), cwd=tmp_path)
    taken = command_line.run(None, *words, '{"day": "2026-01-31"}', cwd=tmp_path)

    assert refused.returncode == 1
    assert "`parameters.dya` is unknown: did you mean `day`?" in refused.stderr
    assert "Order(" not in refused.stderr
    assert json.loads(taken.stdout)[0] == ["date", "Currency", "Decimal"], taken.stderr


ANNOTATIONS = {
    "model": "from pydantic import BaseModel\nclass Params(BaseModel):\n    n: int\n",
    "dictionary": "from typing import TypedDict\nclass Params(TypedDict):\n    n: int\n",
    "url": (
        "from typing import TypedDict\nfrom pydantic import HttpUrl\n"
        "class Params(TypedDict):\n    n: HttpUrl\n"
    ),
    "data": "from dataclasses import dataclass\n@dataclass\nclass Params:\n    n: int\n",
    "custom": "class Params:\n    def __init__(self, page): pass\n",
    "checkers": (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from nowhere import Params\n"
    ),
}
OTHER = {
    "Intuned.jsonc": '{"projectName": "plain", "browser": "shell"}',
    **{
        f"api/{name}.py": (
            f"{source}"
            "async def automation(page, params: Params, context=None, **_kwargs):\n"
            "    return [type(params).__name__, params, context, _kwargs]\n"
        )
        for name, source in ANNOTATIONS.items()
    },
    "api/alone.py": "async def automation(page):\n    return 'no parameters'\n",
    "api/none.py": "async def automation(page, params=None):\n    return params\n",
}


@pytest.fixture(scope="module", name="other")
def _other(server: RunwrightServer) -> str:
    deployed = server.deploy("plain", OTHER)
    assert deployed["status"] == "ready", deployed["error"]
    assert "JSON Schema" not in "\n".join(deployed["progress"])
    return "plain"


@pytest.mark.parametrize("api", sorted(ANNOTATIONS))
def test_in_the_other_format_any_object_arrives_as_the_plain_dict(
    server: RunwrightServer, other: str, api: str
) -> None:
    given = {"n": "not what it says", "unknown": [1]}

    assert server.run(other, api, given)["result"] == ["dict", given, None, {}]


def test_in_the_other_format_there_is_always_a_dict_where_it_is_taken(
    server: RunwrightServer, other: str
) -> None:
    assert server.run(other, "none", {})["result"] == {}
    assert server.run(other, "alone", {})["result"] == "no parameters"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def automation(page, params):\n    return 1\n", "an `async def`, but it is a plain function"),
        ("async def automation(page, params):\n    yield 1\n", "`yield` makes it a generator"),
        ("class automation:\n    pass\n", "but it is a class"),
        ("class A:\n    async def __call__(self, page, params): ...\nautomation = A()\n", "but it is an object"),
    ],
    ids=["plain", "generator", "class", "object"],
)  # fmt: skip
def test_what_is_no_async_function_fails_the_deploy_and_says_what_it_is(
    server: RunwrightServer, source: str, told: str
) -> None:
    deployed = server.deploy("entries", {"api/a.py": source})

    assert deployed["status"] == "failed"
    assert told in deployed["error"]
