"""Typed parameters: their JSON Schema and their instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema_rs
import pytest
from pydantic import BaseModel

from runwright.runner import schema


class Filters(TypedDict):
    name: str
    limit: NotRequired[int]


@dataclass
class Page:
    number: int


@dataclass
class Params:
    url: str
    pages: list[Page] = field(default_factory=list[Page])
    kind: Literal["a", "b"] = "a"
    rate: Annotated[float | None, "a second"] = None
    extra: dict[str, str] = field(default_factory=dict[str, str])


class Model(BaseModel):
    count: int = 1


async def typed_dict(page: Any, params: Filters) -> list[str]:
    """Take a TypedDict.

    More.
    """
    return [params["name"]]


async def with_dataclass(page: Any, params: Params) -> None:
    """Take a dataclass."""


async def with_model(page: Any, params: Model) -> None:
    """Take a model."""


async def untyped(page, params):  # noqa: ANN001, ANN201
    return params


async def unresolvable(page: Any, params: "Nowhere") -> None:  # noqa: F821, UP037  # pyright: ignore[reportUndefinedVariable]
    """Take what only a type checker knows."""


def _accepts(function: Any, value: Any) -> bool:
    return jsonschema_rs.is_valid(schema.describe(function)["parameters_schema"], value)


def test_a_typed_dict_names_what_it_requires() -> None:
    assert _accepts(typed_dict, {"name": "x"})
    assert _accepts(typed_dict, {"name": "x", "limit": 3})
    assert not _accepts(typed_dict, {"limit": 3})
    assert not _accepts(typed_dict, {"name": "x", "limit": "3"})


def test_description_and_result_are_described() -> None:
    found = schema.describe(typed_dict)

    assert found["description"] == "Take a TypedDict."
    assert found["result_schema"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"url": "x"}, True),
        ({"url": "x", "pages": [{"number": 1}], "kind": "b", "rate": None}, True),
        ({"url": "x", "rate": 1.5, "extra": {"a": "b"}}, True),
        ({}, False),
        ({"url": "x", "kind": "c"}, False),
        ({"url": "x", "pages": [{"number": "1"}]}, False),
        ({"url": "x", "extra": {"a": 1}}, False),
    ],
)
def test_a_dataclass_is_checked_to_its_leaves(value: Any, fits: bool) -> None:
    assert _accepts(with_dataclass, value) is fits


def test_a_dataclass_arrives_as_its_instance() -> None:
    found = schema.convert(with_dataclass, {"url": "x", "pages": [{"number": 1}], "unknown": 1})

    assert found == Params(url="x", pages=[Page(number=1)])


def test_a_model_describes_and_builds_itself() -> None:
    assert not _accepts(with_model, {"count": "many"})
    assert schema.convert(with_model, {"count": 2}) == Model(count=2)


@pytest.mark.parametrize("function", [untyped, unresolvable])
def test_what_has_no_type_takes_any_object(function: Any) -> None:
    assert schema.describe(function)["parameters_schema"] is None
    assert schema.convert(function, {"any": 1}) == {"any": 1}
