"""What an automation may return."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from runwright.runner import results

_LIMIT = 2 * 1024 * 1024
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Colour(StrEnum):
    RED = "red"


class Item(BaseModel):
    long_name: str = Field(serialization_alias="longName")


@given(_JSON)
def test_json_comes_out_as_it_went_in(value: Any) -> None:
    text = results.encode(value, max_bytes=_LIMIT)

    assert text.isascii()
    assert json.loads(text) == value


def test_what_is_nearly_json_becomes_json() -> None:
    value = {"t": (1, 2), "e": Colour.RED, "m": [Item(long_name="x")], 1: None, False: "b"}

    assert json.loads(results.encode(value, max_bytes=_LIMIT)) == {
        "t": [1, 2],
        "e": "red",
        "m": [{"longName": "x"}],
        "1": None,
        "false": "b",
    }


@pytest.mark.parametrize(
    ("value", "path", "code"),
    [
        ({"a": [1, {2}]}, "result.a[1]", "script-execution-exception"),
        ({"a": {"b": b"x"}}, "result.a.b", "script-execution-exception"),
        ([datetime(2026, 1, 1, tzinfo=UTC)], "result[0]", "script-execution-exception"),
        (Path("/x"), "result", "script-execution-exception"),
        ({(1, 2): 3}, "result", "script-execution-exception"),
        ([float("nan")], "result[0]", "script-no-valid-output-received"),
        ({"x": float("-inf")}, "result.x", "script-no-valid-output-received"),
    ],
)
def test_what_json_has_not_is_named_by_its_path(value: Any, path: str, code: str) -> None:
    with pytest.raises(results.Unencodable) as caught:
        results.encode(value, max_bytes=_LIMIT)

    assert caught.value.failure.code == code
    assert caught.value.failure.details["path"] == path


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append({"again": loop})

    with pytest.raises(results.Unencodable, match=r"result\[0\]\.again` contains itself"):
        results.encode(loop, max_bytes=_LIMIT)


def test_a_value_that_appears_twice_is_not_one_that_contains_itself() -> None:
    shared = [1]

    assert results.encode([shared, shared], max_bytes=_LIMIT) == "[[1],[1]]"


@pytest.mark.parametrize(("length", "fits"), [(98, True), (99, False)])
def test_the_limit_is_of_the_whole_text(length: int, fits: bool) -> None:
    if fits:
        assert len(results.encode("x" * length, max_bytes=100)) == 100
        return
    with pytest.raises(results.Unencodable) as caught:
        results.encode("x" * length, max_bytes=100)
    assert caught.value.failure.details == {"sizeInBytes": 101, "maxSizeInBytes": 100}
