"""What an automation may return."""

from __future__ import annotations

import asyncio
import collections
import json
import types
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr, computed_field
from pydantic.v1 import BaseModel as OlderModel

from runwright.runner import results
from runwright.sdk import encoding

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


class Kind(str, Enum):  # noqa: UP042 - what authors write
    DOCUMENT = "document"


class Level(IntEnum):
    HIGH = 3


class Rate(float, Enum):
    HALF = 0.5


class Plain(Enum):
    ONE = "one"
    NESTED = (1, Colour.RED)


class Flags(Flag):
    A = 1
    B = 2


class Item(BaseModel):
    long_name: str = Field(serialization_alias="longName")


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Row:
    item: Item
    at: date
    more: list[Row] = field(default_factory=list["Row"])


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    row: Row | None = None
    anything: Any = None

    @computed_field
    @property
    def twice(self) -> int:
        return 2


class Measured(BaseModel):
    value: list[float]


class Older(OlderModel):
    name: str
    at: datetime


@pydantic.dataclasses.dataclass
class Checked:
    long_name: str = Field(serialization_alias="longName")


class Text(str):
    """As lxml and BeautifulSoup give texts."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


class Raises:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


@dataclass
class Lazy:
    wanted: int = field(init=False)


async def coroutine() -> None:
    """Not awaited."""


async def generated() -> Any:
    yield 1


def encoded(value: Any) -> Any:
    return json.loads(results.encode(value, max_bytes=_LIMIT))


def refused(value: Any) -> Any:
    with pytest.raises(results.Unencodable) as caught:
        results.encode(value, max_bytes=_LIMIT)
    return caught.value.failure


@given(_JSON)
def test_json_comes_out_as_it_went_in(value: Any) -> None:
    text = results.encode(value, max_bytes=_LIMIT)

    assert text.isascii()
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"t": (1, 2), "p": Point(1, 2)}, {"t": [1, 2], "p": [1, 2]}),
        ([Colour.RED, Kind.DOCUMENT, Level.HIGH, Rate.HALF], ["red", "document", 3, 0.5]),
        ([Plain.ONE, Plain.NESTED, Flags.A | Flags.B], ["one", [1, "red"], 3]),
        ([Text("as it is"), np.float64(1.5), np.str_("x")], ["as it is", 1.5, "x"]),
        ({1: None, False: "b", None: 1, 1.5: 2}, {"1": None, "false": "b", "null": 1, "1.5": 2}),
        (
            {Kind.DOCUMENT: 1, Level.HIGH: 2, Rate.HALF: 3},
            {"document": 1, "3": 2, "0.5": 3},
        ),
        (collections.OrderedDict(a=collections.Counter("aab")), {"a": {"a": 2, "b": 1}}),
        (
            [datetime(2026, 1, 2, 3, tzinfo=UTC), date(2026, 1, 2), time(3, 4, 5)],
            ["2026-01-02T03:00:00+00:00", "2026-01-02", "03:04:05"],
        ),
        (pd.Timestamp("2026-01-02 03:04"), "2026-01-02T03:04:00"),
        (
            [uuid.UUID(int=1), Path("/a/b"), Decimal("1.50")],
            ["00000000-0000-0000-0000-000000000001", "/a/b", "1.50"],
        ),
        ([Item(long_name="x")], [{"longName": "x"}]),
        ({"r": RootModel[list[int]]([1])}, {"r": [1]}),
        (Checked(long_name="x"), {"longName": "x"}),
        (Older(name="x", at=datetime(2026, 1, 1)), {"name": "x", "at": "2026-01-01T00:00:00"}),  # noqa: DTZ001
        (
            Row(Item(long_name="x"), date(2026, 1, 1)),
            {"item": {"longName": "x"}, "at": "2026-01-01", "more": []},
        ),
        (
            Holder(row=Row(Item(long_name="x"), date(2026, 1, 1)), anything={SecretStr("s")}),
            {
                "row": {"item": {"longName": "x"}, "at": "2026-01-01", "more": []},
                "anything": ["**********"],
                "twice": 2,
            },
        ),
        ("half of an emoji \ud83d, \x00", "half of an emoji \ud83d, \x00"),
    ],
)
def test_what_is_nearly_json_becomes_json(value: Any, expected: Any) -> None:
    assert encoded(value) == expected


_CASES: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: {"a": [1, {2}]}, "result.a[1]", "is a set, which JSON .* `sorted"),
    (lambda: {"a": {"b b": b"x"}}, 'result.a["b b"]', r"is a bytes.*`value.decode\(\)`"),
    (lambda: {1: {None: object()}}, "result[1][null]", "is an object"),
    (lambda: {(1, 2): 3}, "result", r"has a key that is a tuple.*`str\(key\)`"),
    (lambda: {Plain.ONE: 3}, "result", "has a key that is a Plain.*`key.value`"),
    (lambda: {"a": {date(2026, 1, 1): 3}}, "result.a", "has a key that is a date"),
    (lambda: [timedelta(1)], "result[0]", r"`value.total_seconds\(\)`"),
    (lambda: (each for each in ()), "result", r"is a generator.*`list\(value\)`"),
    (generated, "result", "is an async_generator.*async for"),
    ({}.keys, "result", r"is a dict_keys.*`list\(value\)`"),
    ({}.items, "result", r"is a dict_items.*`dict\(value\)`"),
    (lambda: types.MappingProxyType({}), "result", r"`dict\(value\)`"),
    (lambda: collections.UserDict(a=1), "result", r"`dict\(value\)`"),
    (lambda: collections.deque([1]), "result", r"`list\(value\)`"),
    (lambda: range(3), "result", r"`list\(value\)`"),
    (lambda: coroutine, "result", "is a function.*forget to call it"),
    (lambda: Item, "result", "is the class `Item`"),
    (lambda: ValueError("x"), "result", r"`str\(value\)`"),
    (lambda: 1j, "result", r"`\[value.real, value.imag\]`"),
    (lambda: np.int64(1), "result", r"is an int64.*`value.item\(\)`"),
    (lambda: [np.array([1])], "result[0]", r"`value.tolist\(\)`"),
    (lambda: pd.DataFrame({"a": [1]}), "result", r"`value.to_dict\('records'\)`"),
    (lambda: pd.Series([1]), "result", r"`value.to_list\(\)`"),
    (lambda: {"when": pd.NaT}, "result.when", "is NaT.*`None`"),
    (lambda: [pd.NA], "result[0]", "`None`"),
    (lambda: [Raises()], "result[0]", "is a Raises"),
    (lambda: [Lazy()], "result[0]", "AttributeError: .*wanted"),
    (lambda: Holder(anything=[1, {"x": object()}]), "result.anything[1].x", "is an object"),
    (lambda: 10**5000, "result", "cannot be written as JSON: Exceeds"),
]


@pytest.mark.parametrize(
    ("made", "path", "told"), _CASES, ids=[f"{case[1]} {n}" for n, case in enumerate(_CASES)]
)
def test_what_json_cannot_represent_is_named_with_what_to_write_instead(
    made: Callable[[], Any], path: str, told: str
) -> None:
    failure = refused(made())

    assert failure.code == "script-execution-exception"
    assert failure.details["path"] == path
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(failure.message)


def test_who_forgets_to_await_is_told_so() -> None:
    forgotten, task = coroutine(), asyncio.new_event_loop()
    try:
        assert "did you forget `await`?" in refused({"rows": forgotten}).message
        assert "did you forget `await`?" in refused(task.create_future()).message
    finally:
        forgotten.close()
        task.close()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([float("nan")], "result[0]"),
        ({"x": float("-inf")}, "result.x"),
        (np.float64("nan"), "result"),
        ({"x": [Decimal("NaN")]}, "result.x[0]"),
        ({float("nan"): 1}, "result"),
        (Measured(value=[1.0, float("inf")]), "result.value[1]"),
    ],
)
def test_no_number_is_no_output(value: Any, path: str) -> None:
    failure = refused(value)

    assert failure.code == "script-no-valid-output-received"
    assert failure.details["path"] == path
    assert "write `None` instead" in failure.message


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append({"again": loop})
    row = Row(Item(long_name="x"), date(2026, 1, 1))
    row.more.append(row)

    assert "`result[0].again` contains itself" in refused(loop).message
    assert "`result.more[0]` contains itself" in refused(row).message


def test_a_value_that_appears_twice_is_not_one_that_contains_itself() -> None:
    shared = [1]

    assert results.encode([shared, shared], max_bytes=_LIMIT) == "[[1],[1]]"


@pytest.mark.parametrize("around", [[], [{"k": ["[{", '"[']}] * 300, ['\\"[[', "\\\\", "]"] * 200])
def test_depth_is_bounded_whatever_else_there_is(around: list[Any]) -> None:
    fits: list[Any] = []
    for _ in range(encoding.MAX_DEPTH - 2):
        fits = [fits]

    assert encoded([around, fits]) == [around, fits]
    assert "is nested deeper than 500 levels" in refused([around, [fits]]).message


@pytest.mark.parametrize(("length", "fits"), [(98, True), (99, False)])
def test_the_limit_is_of_the_whole_text(length: int, fits: bool) -> None:
    if fits:
        assert len(results.encode("x" * length, max_bytes=100)) == 100
        return
    with pytest.raises(results.Unencodable) as caught:
        results.encode("x" * length, max_bytes=100)
    assert caught.value.failure.details == {"sizeInBytes": 101, "maxSizeInBytes": 100}


def test_the_limit_counts_what_is_escaped() -> None:
    assert len(results.encode("é" * 10, max_bytes=62)) == 62
