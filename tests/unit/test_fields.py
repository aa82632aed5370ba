"""What is wrong with a body is told by its path, in JSON's words, and never shows the body."""

from __future__ import annotations

import traceback
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import Field, TypeAdapter

from runwright.domain.deliveries import sinks
from runwright.domain.jobs import job_text
from runwright.domain.text import fields
from runwright.domain.text.fields import Fields, InvalidFields, Whole
from runwright.web.wire.jobs import CreateBody


class _Kind(StrEnum):
    ONE = "one"
    OTHER = "other"


class _Inner(Fields):
    some_text: str


class _Body(Fields):
    text: str = ""
    number: int = 0
    flag: bool = False
    items: list[int] = Field(default_factory=list[int], max_length=2)
    inner: _Inner | None = None
    table: dict[str, str] = Field(default_factory=dict[str, str])
    fixed: Literal["a", "b"] = "a"
    kind: Literal[_Kind.ONE, _Kind.OTHER] = _Kind.ONE
    bounded: Annotated[int, Field(ge=1, le=5)] = 1
    short: Annotated[str, Field(min_length=2, max_length=3)] = "aa"


_BODY = TypeAdapter(_Body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "must be an object"),
        ({"text": 1}, "`text` must be a string"),
        ({"number": True}, "`number` must be an integer"),
        ({"number": 1.5}, "`number` must be an integer"),
        ({"number": "1"}, "`number` must be an integer"),
        ({"flag": 1}, "`flag` must be a boolean: true or false"),
        ({"items": {}}, "`items` must be an array"),
        ({"items": [1, "x"]}, "`items.1` must be an integer"),
        ({"items": [1, 2, 3]}, "`items` must have at most 2 items"),
        ({"inner": []}, "`inner` must be an object"),
        ({"inner": {}}, "`inner.someText` is missing"),
        ({"inner": {"some_text": "x"}}, "`inner.someText` is missing"),
        ({"inner": {"someText": None}}, "`inner.someText` is missing"),
        ({"table": []}, "`table` must be an object"),
        ({"table": {"a": 1}}, "`table.a` must be a string"),
        ({"fixed": "c"}, "`fixed` must be `a` or `b`"),
        ({"kind": 1}, "`kind` must be `one` or `other`"),
        ({"bounded": 0}, "`bounded` must be at least 1"),
        ({"bounded": 6}, "`bounded` must be at most 5"),
        ({"short": "a"}, "`short` must have at least 2 characters"),
        ({"short": "aaaa"}, "`short` must have at most 3 characters"),
        (
            {"text": 1, "flag": "x"},
            "`text` must be a string; `flag` must be a boolean: true or false",
        ),
    ],
    ids=repr,
)
def test_what_is_wrong_is_told_in_the_words_of_json(body: Any, said: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        fields.read(_BODY, body)

    assert str(caught.value) == said


def test_null_means_absent_and_what_is_not_known_is_ignored() -> None:
    names = ("text", "number", "flag", "items", "inner", "table", "kind", "other")

    assert fields.read(_BODY, dict.fromkeys(names)) == _Body()


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none(), st.booleans())
def test_an_integer_is_one_within_its_bounds_however_it_is_written(
    value: Any, has_most: bool
) -> None:
    adapter = TypeAdapter(Annotated[int, Whole(1, 100 if has_most else None)])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_one = is_number and value >= 1 and value % 1 == 0 and (not has_most or value <= 100)

    if is_one:
        assert fields.read(adapter, value) == value
        assert isinstance(fields.read(adapter, value), int)
    else:
        with pytest.raises(InvalidFields, match="must be an integer"):
            fields.read(adapter, value)


def test_an_error_shows_nothing_of_a_body_that_may_be_secret() -> None:
    body = {
        "type": "webhook",
        "url": "ftp://u:hush@example.com/",
        "headers": {"a": "hush\n"},
        "skipOnFail": "hush",
        "apisToSend": {"hush": "hush"},
    }

    with pytest.raises(InvalidFields) as caught:
        sinks.parse(body)

    paths = [each.path for each in caught.value.problems]
    assert paths == ["url", "headers.a", "skipOnFail", "apisToSend"]
    assert "hush" not in "".join(traceback.format_exception(caught.value, limit=0))


def test_of_very_many_wrong_items_one_is_told() -> None:
    with pytest.raises(InvalidFields) as caught:
        job_text.parse({"payload": [0] * 100_000, "configuration": {}})

    assert str(caught.value) == "`payload.0` must be an object"


def test_what_reads_a_job_is_what_the_document_shows() -> None:
    schema = CreateBody.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]

    assert schema["required"] == ["payload", "configuration", "id"]
    assert definitions["ConfigurationBody"]["properties"]["maxRuns"]["anyOf"][0] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 2**31 - 1,
    }
    assert {"auth_session", "notifications", "schedule", "sink"} <= schema["properties"].keys()
    assert "forcePathStyle" in definitions["S3Sink"]["properties"]
    assert "\0" not in str(schema)
