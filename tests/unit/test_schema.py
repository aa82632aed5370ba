"""Typed parameters: schema and conversion agree, with pydantic and without."""

from __future__ import annotations

import collections
import functools
import ipaddress
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import annotated_types
import pytest
import typing_extensions
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    model_validator,
)
from pydantic.v1 import BaseModel as OlderModel

from runwright.control.base import parameters as door
from runwright.runner.types import models, schema
from runwright.runner.types.shapes import Misfit
from runwright.sdk import deferred_browser

if TYPE_CHECKING:
    from nowhere import Nothing  # pyright: ignore[reportMissingImports]
    from playwright.async_api import Page

T = TypeVar("T")
UserId = NewType("UserId", int)


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


class Level(IntEnum):
    LOW = 1


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Access(Flag):
    READ = 1
    WRITE = 2


class Spot(NamedTuple):
    x: int
    y: int = 0


class Custom:
    """Of the author's own."""


class Filters(TypedDict, total=False):
    name: Required[str]
    limit: Annotated[int, "how many"]
    since: date


class More(Filters):
    page: int


class Extensible(typing_extensions.TypedDict, closed=False):
    name: str


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list["Node"])
    parent: Node | None = None


@dataclass
class Box(Generic[T]):
    content: T
    others: list[T] = field(default_factory=list[T])


@dataclass
class DateBox(Box[date]):
    label: str = ""


@dataclass(kw_only=True, slots=True)
class Base:
    url: str
    """Where."""


@dataclass(kw_only=True, slots=True)
class Derived(Base):
    tries: Annotated[int, annotated_types.Ge(1), annotated_types.Le(5)] = 3
    start: date = date(2026, 1, 1)
    computed: int = field(init=False, default=0)
    factor: InitVar[int] = 2

    def __post_init__(self, factor: int) -> None:
        if not self.url:
            raise ValueError("`url` is empty")
        self.computed = self.tries * factor


@dataclass
class Cat:
    kind: Literal["cat"]
    lives: int


@dataclass
class Dog:
    kind: Literal["dog"]
    tricks: list[str]


@dataclass
class Odd:
    known: int
    foreign: Custom | None = None
    absent: Nothing | None = None


class Item(BaseModel):
    name: str
    at: date


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    page_number: int = Field(alias="pageNumber")
    limit: int = Field(default=1, validation_alias=AliasChoices("limit", "max"))


class Deep(BaseModel):
    inner: int = Field(validation_alias=AliasPath("outer", "inner"))


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Careless(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str


class Older(OlderModel):
    name: str
    pair: tuple[int, str] = (1, "a")


class Translated(BaseModel):
    name: str

    @model_validator(mode="before")
    @classmethod
    def _is_older(cls, value: Any) -> Any:
        return {"name": value["title"]} if "title" in value else value


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    pair: tuple[int, str]


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class Checked(BaseModel):
    number: Annotated[int, AfterValidator(_even)]


@pytest.fixture
def _no_pydantic(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Have no pydantic in the author's environment."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    models.module.cache_clear()
    yield
    models.module.cache_clear()


@pytest.fixture(params=["pydantic", "nothing"])
def _environment(request: pytest.FixtureRequest) -> None:
    """Have pydantic in the author's environment, and have it not."""
    if request.param == "nothing":
        request.getfixturevalue("_no_pydantic")


def taking(kind: Any) -> Any:
    async def automation(page: Any, params: Any) -> None: ...

    automation.__annotations__["params"] = kind
    return automation


def with_field(kind: Any) -> Any:
    """Return an automation whose parameters have one field, of that type."""

    class Made(typing_extensions.TypedDict):
        it: Any

    Made.__annotations__["it"] = kind
    return taking(Made)


def problems(function: Any, value: Any) -> list[tuple[str, str]]:
    """Return what the door has against a value."""
    found = schema.describe(function)["parameters_schema"]
    return [] if found is None else [(p.path, p.message) for p in door.problems(value, found)]


_VALUES: dict[str, tuple[Any, list[tuple[Any, Any]], list[Any]]] = {
    "str": (str, [("a", "a"), ("", "")], [1, None, ["a"]]),
    "int": (int, [(1, 1), (2.0, 2), (10**30, 10**30)], ["1", 1.5, True, None]),
    "float": (float, [(1, 1.0), (1.5, 1.5)], ["1.5", True]),
    "bool": (bool, [(True, True)], [1, "true"]),
    "none": (None, [(None, None)], [0, ""]),
    "bytes": (bytes, [("é", "é".encode())], [1]),
    "date": (
        date,
        [("2026-01-31", date(2026, 1, 31))],
        ["2026-02-30", "31.1.2026", "20260131", "2026-01-31T00:00:00", "", 5, "2026-1-31"],
    ),
    "datetime": (
        datetime,
        [
            ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
            ("2026-01-31t12:00:00.5z", datetime(2026, 1, 31, 12, 0, 0, 500_000, UTC)),
            ("2026-01-31 12:00:00", datetime(2026, 1, 31, 12)),  # noqa: DTZ001
            ("2026-01-31T12:00", datetime(2026, 1, 31, 12)),  # noqa: DTZ001
        ],
        ["2026-01-31", "2026-01-31T25:00:00Z", "2026-01-31T12", "soon", "0000-01-01T00:00:00Z"],
    ),
    "time": (time, [("12:30:05", time(12, 30, 5)), ("12:30", time(12, 30))], ["24:00", "T12:00"]),
    "timedelta": (
        timedelta,
        [
            ("PT1H30M", timedelta(minutes=90)),
            ("P1W", timedelta(weeks=1)),
            ("-P1DT0.5S", -timedelta(days=1, seconds=0.5)),
            ("P1Y2M", timedelta(days=425)),
        ],
        ["P", "PT", "1h", "P1DT", "P9999999999D", "P1.5D"],
    ),
    "uuid": (UUID, [("00000000-0000-0000-0000-00000000000a", UUID(int=10))], ["x", "0" * 32]),
    "decimal": (
        Decimal,
        [("1.50", Decimal("1.50")), (2, Decimal(2)), (0.1, Decimal("0.1"))],
        ["abc", "NaN", True, "1.5€"],
    ),
    "path": (Path, [("/a/b", Path("/a/b"))], [1]),
    "ipv4": (ipaddress.IPv4Address, [("10.0.0.1", ipaddress.IPv4Address("10.0.0.1"))], ["x", "1"]),
    "str enum": (Size, [("s", Size.SMALL)], ["SMALL", "x", None]),
    "int enum": (Level, [(1, Level.LOW)], [2, "1"]),
    "enum": (Mixed, [(1, Mixed.ONE), ("two", Mixed.TWO)], ["one", 2]),
    "literal": (Literal["a", 1], [("a", "a"), (1, 1)], ["b", 2, True, None]),
    "optional": (date | None, [("2026-01-31", date(2026, 1, 31)), (None, None)], ["x", 1]),
    "union": (int | list[date], [(1, 1), (["2026-01-31"], [date(2026, 1, 31)])], ["1", [1]]),
    "list": (list[date], [(["2026-01-31"], [date(2026, 1, 31)]), ([], [])], ["x", [1]]),
    "sequence": (Sequence[int], [([1], [1])], [{"a": 1}, ["x"]]),
    "set": (set[int], [([1, 2], {1, 2})], [[1, 1], [None]]),
    "frozenset": (frozenset[str], [(["a"], frozenset("a"))], ["a"]),
    "deque": (collections.deque[int], [([1], collections.deque([1]))], [["x"]]),
    "tuple": (tuple[int, date], [([1, "2026-01-31"], (1, date(2026, 1, 31)))], [[1], [1, 2]]),
    "open tuple": (tuple[int, ...], [([1, 2], (1, 2)), ([], ())], [["a"]]),
    "bare": (list, [([1, "a", None], [1, "a", None])], [{}, "a"]),
    "bare dict": (dict, [({"a": [1]}, {"a": [1]})], [[]]),
    "dict": (dict[str, date], [({"a": "2026-01-31"}, {"a": date(2026, 1, 31)})], [{"a": "x"}]),
    "mapping": (Mapping[str, int], [({"a": 1}, {"a": 1})], [{"a": "1"}]),
    "dict of dates": (dict[date, int], [({"2026-01-31": 1}, {date(2026, 1, 31): 1})], [{"x": 1}]),
    "dict of numbers": (dict[int, int], [({"-7": 1}, {-7: 1})], [{"x": 1}, {"1.5": 1}]),
    "dict of an enum": (dict[Size, int], [({"s": 1}, {Size.SMALL: 1})], [{"x": 1}]),
    "dict of an int enum": (dict[Level, int], [({"1": 1}, {Level.LOW: 1})], [{"2": 1}, {"x": 1}]),
    "any": (Any, [(1, 1), ({"a": [None]}, {"a": [None]})], []),
    "new type": (UserId, [(1, 1)], ["a"]),
    "named tuple": (Spot, [([1, 2], Spot(1, 2))], [["a", 1], [1, 2, 3]]),
    "annotated": (Annotated[int, annotated_types.Gt(1)], [(2, 2)], [1]),
    "interval": (Annotated[int, annotated_types.Interval(ge=1, lt=3)], [(1, 1)], [0, 3]),
    "length": (Annotated[list[int], annotated_types.Len(1, 2)], [([1], [1])], [[], [1, 2, 3]]),
    "text length": (Annotated[str, annotated_types.MinLen(2)], [("ab", "ab")], ["a"]),
    "dataclass": (Base, [({"url": "x"}, Base(url="x"))], [{}, {"url": 1}, {"url": "x", "y": 1}]),
    "dict of dataclasses": (
        dict[str, Base],
        [({"a": {"url": "x"}}, {"a": Base(url="x")})],
        [{"a": {}}],
    ),
    "inherited": (
        Derived,
        [({"url": "x", "tries": 5, "factor": 3}, Derived(url="x", tries=5, factor=3))],
        [{"url": "x", "tries": 6}, {"url": "x", "computed": 1}, {"tries": 1}],
    ),
    "recursive": (
        Node,
        [({"value": 1, "children": [{"value": 2}]}, Node(1, [Node(2)]))],
        [{"value": 1, "children": [{"value": "2"}]}],
    ),
    "generic": (Box[Node], [({"content": {"value": 1}}, Box(Node(1)))], [{"content": 1}]),
    "generic twice": (
        tuple[Box[int], Box[str]],
        [([{"content": 1}, {"content": "a"}], (Box(1), Box("a")))],
        [[{"content": "a"}, {"content": 1}]],
    ),
    "generic base": (
        DateBox,
        [({"content": "2026-01-31", "label": "x"}, DateBox(date(2026, 1, 31), label="x"))],
        [{"content": "x"}],
    ),
    "tagged": (
        Cat | Dog,
        [
            ({"kind": "dog", "tricks": []}, Dog("dog", [])),
            ({"kind": "cat", "lives": 9}, Cat("cat", 9)),
        ],
        [{"kind": "dog", "lives": 9}, {"kind": "cow"}],
    ),
    "typed dict": (
        Filters,
        [({"name": "x", "since": "2026-01-31"}, {"name": "x", "since": date(2026, 1, 31)})],
        [{}, {"name": "x", "limit": "1"}, {"name": "x", "unknown": 1}],
    ),
    "inherited typed dict": (
        More,
        [({"name": "x", "page": 1}, {"name": "x", "page": 1})],
        [{"name": "x"}, {"page": 1}],
    ),
}
_KINDS = [
    pytest.param(kind, value, expected, id=f"{name} {number}")
    for name, (kind, good, _) in _VALUES.items()
    for number, (value, expected) in enumerate(good)
]
_MISFITS = [
    pytest.param(kind, value, id=f"{name} {number}")
    for name, (kind, _, bad) in _VALUES.items()
    for number, value in enumerate(bad)
]


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(("kind", "value", "expected"), _KINDS)
def test_what_the_door_takes_arrives_as_an_instance(kind: Any, value: Any, expected: Any) -> None:
    function = with_field(kind)

    assert problems(function, {"it": value}) == []
    found = schema.convert(function, {"it": value})["it"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(("kind", "value"), _MISFITS)
def test_what_cannot_be_an_instance_is_refused_at_the_door(kind: Any, value: Any) -> None:
    found = problems(with_field(kind), {"it": value})

    assert found
    assert all(path.startswith("parameters.it") for path, _ in found)


# Pydantic takes more than its schemas say, which is refused at the door.
@pytest.mark.usefixtures("_no_pydantic")
@pytest.mark.parametrize(("kind", "value"), _MISFITS)
def test_no_instance_is_made_of_what_the_type_does_not_take(kind: Any, value: Any) -> None:
    with pytest.raises(Misfit, match=r"parameters\.it"):
        schema.convert(with_field(kind), {"it": value})


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Filters, {"name": "a", "limits": 1}, ("parameters.limits", "did you mean `limit`?")),
        (Derived, {"url": "x", "TRIES": 1}, ("parameters.TRIES", "did you mean `tries`?")),
        (Base, {"uri": "x", "url": "x"}, ("parameters.uri", "did you mean `url`?")),
        (Base, {"zzz": 1, "url": "x"}, ("parameters.zzz", "there are `url`")),
        (Base, {}, ("parameters.url", "is missing")),
        (Node, {"value": 1, "children": [{"values": 2, "value": 1}]}, ("parameters.children.0.values", "`value`?")),
        (Node, {"value": 1, "parent": {"value": "x"}}, ("parameters.parent.value", 'must be an integer, not "x"')),
    ],
)  # fmt: skip
def test_the_wrong_value_is_named_by_its_path(
    kind: Any, value: Any, expected: tuple[str, str]
) -> None:
    (found,) = problems(taking(kind), value)

    assert found[0] == expected[0]
    assert expected[1] in found[1]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (date, "31.1.", 'must be a date such as 2026-01-31, not "31.1."'),
        (Size, "m", 'must be one of "s", "l", not "m"'),
        (int | None, "x", 'must be an integer or null, not "x"'),
        (Cat | Dog, {"kind": "dog", "tricks": [1]}, "must be a string, not 1"),
        (HttpUrl, "nothing", 'must be a URL such as https://example.com/, not "nothing"'),
        (Literal["only"], "x", 'must be "only", not "x"'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_plainly(kind: Any, value: Any, message: str) -> None:
    assert message in {said for _, said in problems(with_field(kind), {"it": value})}


def test_a_model_describes_and_builds_itself() -> None:
    function = taking(Item)

    assert problems(function, {"name": "x", "at": "2026-01-31"}) == []
    assert schema.convert(function, {"name": "x", "at": "2026-01-31"}) == Item(
        name="x", at=date(2026, 1, 31)
    )
    assert set(problems(function, {"nam": "x", "at": "2026-01-31"})) == {
        ("parameters.nam", "is unknown: did you mean `name`?"),
        ("parameters.name", "is missing"),
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Loose, {"name": "x", "more": 1}),
        (Careless, {"name": "x", "more": 1}),
        (Translated, {"name": "x"}),
        (Renamed, {"pageNumber": 1}),
        (Renamed, {"page_number": 1, "max": 2}),
        (Deep, {"outer": {"inner": 1}}),
        (Extensible, {"name": "x", "more": 1}),
        (Older, {"name": "x", "pair": [1, "b"]}),
        (Strict, {"day": "2026-01-31", "pair": [1, "a"]}),
    ],
)
def test_what_a_class_takes_besides_is_its_own_to_say(kind: Any, value: Any) -> None:
    function = taking(kind)

    assert problems(function, value) == []
    schema.convert(function, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Renamed, {}),
        (Renamed, {"pageNumber": 1, "pages": 2}),
        (Older, {"name": "x", "nam": 1}),
        (Older, {"name": "x", "pair": [1]}),
        (Strict, {"day": "2026-01-32", "pair": [1, "a"]}),
    ],
)
def test_other_names_and_older_models_are_checked_too(kind: Any, value: Any) -> None:
    assert problems(taking(kind), value)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("https://example.com/a b?q=ü", True),
        ("HTTP://example.com", True),
        ("ftp://example.com", False),
        ("mailto:a@b.de", False),
        ("example.com", False),
    ],
)
def test_a_url_is_one_at_the_door_exactly_if_pydantic_makes_one(value: str, fits: bool) -> None:
    function = with_field(HttpUrl)

    assert (problems(function, {"it": value}) == []) is fits
    if fits:
        assert schema.convert(function, {"it": value})["it"] == TypeAdapter(
            HttpUrl
        ).validate_python(value)


def test_what_only_the_author_can_check_is_a_misfit_with_its_path() -> None:
    assert problems(taking(Checked), {"number": 3}) == []
    with pytest.raises(Misfit, match=r"`parameters.number` must be even"):
        schema.convert(taking(Checked), {"number": 3})


@pytest.mark.usefixtures("_environment")
def test_what_a_dataclass_refuses_is_a_misfit() -> None:
    with pytest.raises(Misfit, match="`url` is empty"):
        schema.convert(taking(Derived), {"url": ""})


@pytest.mark.usefixtures("_environment")
def test_what_has_no_schema_takes_anything_with_a_remark() -> None:
    found = schema.describe(taking(Odd))

    assert problems(taking(Odd), {"known": 1, "foreign": {"a": 1}, "absent": 2}) == []
    assert problems(taking(Odd), {"known": "x"}) != []
    assert schema.convert(taking(Odd), {"known": 1, "foreign": {"a": 1}}) == Odd(1, {"a": 1})  # pyright: ignore[reportArgumentType]
    assert "`parameters.foreign` is of the type `Custom`" in found["remarks"][0]
    assert "`parameters.absent` cannot be resolved here (NameError" in found["remarks"][1]


@pytest.mark.parametrize("kind", [str, list[int], Custom, int | None, Spot, {"a": int}, "Nothing"])
def test_what_cannot_be_parameters_never_fails_and_arrives_as_the_dict(kind: Any) -> None:
    found = schema.describe(taking(kind))

    assert found["parameters_schema"] is None
    assert found["remarks"]
    assert schema.convert(taking(kind), {"any": 1}) == {"any": 1}


@pytest.mark.parametrize("kind", [dict, dict[str, Any], Any, object, Mapping[str, Any]], ids=str)
def test_any_object_is_no_type_and_no_remark(kind: Any) -> None:
    found = schema.describe(taking(kind))

    assert (found["parameters_schema"], found["remarks"]) == (None, [])
    assert schema.convert(taking(kind), {"any": 1}) == {"any": 1}


async def only_for_checkers(page: Page, params: Filters) -> list[Item]:
    """Take a TypedDict.

    More.
    """
    return [page, params]  # pyright: ignore[reportReturnType]


async def untyped(page, params):  # noqa: ANN001, ANN201
    return params


async def alone(page: Any) -> None: ...


async def positional(*args: Any, **more: Any) -> None: ...


@deferred_browser
async def deferred(params: Base, ensure_browser: Any) -> None: ...


@functools.wraps(only_for_checkers)
async def wrapped(*args: Any) -> Any:
    return await only_for_checkers(*args)


class Holder:
    async def method(self, page: Any, params: Filters) -> None: ...


async def configured(mode: str, page: Any, params: Filters) -> None: ...


@pytest.mark.parametrize(
    ("function", "is_typed"),
    [
        (only_for_checkers, True),
        (wrapped, True),
        (deferred, True),
        (Holder().method, True),
        (functools.partial(configured, "x"), True),
        (untyped, False),
        (alone, False),
        (positional, False),
    ],
    ids=[
        "only for checkers",
        "wrapped",
        "deferred",
        "method",
        "partial",
        "untyped",
        "alone",
        "args",
    ],
)
def test_the_type_is_found_however_the_function_is_written(function: Any, is_typed: bool) -> None:
    assert (schema.describe(function)["parameters_schema"] is not None) is is_typed


def test_description_and_result_are_described() -> None:
    found = schema.describe(only_for_checkers)

    assert found["description"] == "Take a TypedDict."
    assert found["result_schema"]["type"] == "array"
    assert found["result_schema"]["$defs"]["Item"]["required"] == ["name", "at"]


@pytest.mark.usefixtures("_environment")
def test_a_courtesy_refuses_no_unknown_names_and_remarks_on_nothing() -> None:
    found = schema.describe(taking(Odd), is_courtesy=True)

    assert found["remarks"] == []
    assert "known" in found["parameters_schema"]["properties"]
    assert "additionalProperties" not in found["parameters_schema"]


@pytest.mark.usefixtures("_environment")
def test_descriptions_and_defaults_are_in_the_schema() -> None:
    found = schema.describe(taking(Derived))["parameters_schema"]["properties"]
    filters = schema.describe(taking(Filters))["parameters_schema"]["properties"]

    assert (found["tries"]["default"], found["start"]["default"]) == (3, "2026-01-01")
    assert filters["limit"].get("description") in ("how many", None)


def test_a_default_that_json_does_not_have_is_left_out() -> None:
    @dataclass
    class Measured:
        rate: float = float("nan")

    assert "default" not in schema.describe(taking(Measured))["parameters_schema"]["properties"]["rate"]  # fmt: skip


def test_what_an_authors_schema_refers_to_is_never_fetched() -> None:
    class Remote(BaseModel):
        model_config = ConfigDict(json_schema_extra={"$ref": "http://127.0.0.1:9/x"})

    found = schema.describe(taking(Remote))["parameters_schema"]

    with pytest.raises(ValueError, match="not fetched"):
        door.check_schema(found)
