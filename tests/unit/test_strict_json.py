"""JSON that not every parser can read is rejected."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from runwright.domain.text import strict_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(_JSON)
def test_json_is_read_as_it_is(value: Any) -> None:
    assert strict_json.read(json.dumps(value)) == value


@given(st.integers(0, 400), st.integers(-400, 400), st.integers(0, 400), st.sampled_from("eE"))
def test_a_number_is_refused_exactly_if_no_float_holds_it(
    whole: int, exponent: int, zeros: int, letter: str
) -> None:
    text = f"[1{'0' * whole}.{'0' * zeros}5{letter}{exponent:+d}]"

    if math.isinf(json.loads(text)[0]):
        with pytest.raises(ValueError, match="larger than a number can be"):
            strict_json.read(text)
    else:
        assert strict_json.read(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ('{"a": -1e999}', "-1e999 is larger"),
        ('["\\ud800"]', "surrogates"),
        ('{"\\udfff": 1}', "surrogates"),
        ('"\ud800"', "surrogates"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "4300 digits"),
        ("{", "Expecting"),
    ],
    ids=str,
)  # fmt: skip
def test_what_others_cannot_read_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        strict_json.read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"1e999 NaN"', "1e999 NaN"),
        ('"\\ud83d\\ude00 \\u0000"', "😀 \0"),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("1e308", 1e308),
        ("1e-999", 0.0),
        ("1" * 400, int("1" * 400)),
    ],
    ids=lambda each: str(each)[:20].encode("ascii", "replace").decode(),
)
def test_what_only_looks_so_is_read(text: str, value: Any) -> None:
    assert strict_json.read(text) == value


def test_halves_of_pairs_are_json_where_they_stay_escaped() -> None:
    strict_json.check('["\\ud800"]')
    with pytest.raises(ValueError, match="larger"):
        strict_json.check("[1e400]")
