"""What `extend_payload` accepts."""

from __future__ import annotations

from collections.abc import Generator
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, Field

from runwright.sdk import context, extend_payload
from runwright.sdk.context import AttemptContext, RunInfo


class Params(BaseModel):
    page_number: int = Field(serialization_alias="page")


@dataclass
class Next:
    api: str
    parameters: Params


@pytest.fixture
def attempt() -> Generator[AttemptContext]:
    made = AttemptContext(
        info=RunInfo(run_id="r"),
        extend_timeout=lambda: None,
        keep_file=lambda _path, _name: None,
        files_directory="",
        ask=lambda *_: None,  # pyright: ignore[reportArgumentType]
    )
    token = context._current.set(made)
    yield made
    context._current.reset(token)


@pytest.mark.parametrize(
    ("item", "parameters"),
    [
        ({"api": "a", "parameters": {"at": date(2026, 1, 1)}}, {"at": "2026-01-01"}),
        ({"api": "a", "parameters": Params(page_number=2)}, {"page": 2}),
        ({"api": "a", "parameters": {"p": [Params(page_number=2)]}}, {"p": [{"page": 2}]}),
        (Next("a", Params(page_number=3)), {"page": 3}),
        ({"api": "a", "parameters": {1: (1, 2)}, "more": object()}, {"1": [1, 2]}),
    ],
)
def test_an_item_holds_what_a_result_may_hold(
    attempt: AttemptContext, item: Any, parameters: Any
) -> None:
    copy_context().run(extend_payload, item)

    assert attempt.payloads == [{"api": "a", "parameters": parameters}]


def test_an_item_is_as_it_was_when_it_was_given(attempt: AttemptContext) -> None:
    parameters = {"n": 1}
    extend_payload({"api": "a", "parameters": parameters})
    parameters["n"] = 2

    assert attempt.payloads == [{"api": "a", "parameters": {"n": 1}}]


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"api": "a", "parameters": {"s": [{1}]}}, r"`item.parameters.s\[0\]` is a set.*sorted"),
        ({"api": "a", "parameters": {"n": float("nan")}}, "`item.parameters.n` is nan"),
        ({"api": "a", "parameters": [1]}, "`parameters` must be an object"),
        ({"api": "", "parameters": {}}, "`api` must be the name"),
        ({"parameters": {}}, "`api` must be the name"),
        (["a", {}], "takes objects"),
    ],
)
def test_a_bad_item_is_named(attempt: AttemptContext, item: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        extend_payload(item)

    assert attempt.payloads == []
