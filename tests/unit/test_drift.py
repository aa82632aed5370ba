"""Which results drift, on real data: no false alarm where they vary, an alarm where something is gone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import vega_datasets
from hypothesis import given, strategies as st

from runwright.domain import drift
from runwright.domain.drift import Drift, DriftKind, Profile

_DATA = Path(vega_datasets.__file__).parent / "_data"
Change = Callable[[list[dict[str, Any]]], Any]


def _rows(name: str) -> list[dict[str, Any]]:
    return json.loads((_DATA / f"{name}.json").read_text())


def _pages(
    name: str, count: int, seed: int, least: int = 20, most: int = 60
) -> list[list[dict[str, Any]]]:
    """Return pages of a real data set as a scraper would see them: of any length, from anywhere."""
    chance, rows = random.Random(seed), _rows(name)
    return [chance.choices(rows, k=chance.randint(least, most)) for _ in range(count)]


def _watch(results: Iterable[Any], profile: Profile | None = None) -> tuple[list[Drift], Profile]:
    found: list[Drift] = []
    known = profile or Profile()
    for each in results:
        seen, known = drift.judge(known, drift.shape_of(json.dumps(each)))
        if seen is not None:
            found.append(seen)
    return found, known


@pytest.mark.parametrize("name", ["cars", "barley", "iris", "driving", "wheat"])
@pytest.mark.parametrize("seed", range(3))
def test_pages_of_real_data_raise_no_alarm(name: str, seed: int) -> None:
    found, _ = _watch(_pages(name, 200, seed))

    assert found == []


@pytest.mark.parametrize("seed", range(3))
def test_results_that_vary_wildly_raise_no_alarm(seed: int) -> None:
    found, _ = _watch(_pages("cars", 200, seed, least=0, most=200))

    assert found == []


def test_single_records_with_gaps_raise_no_alarm() -> None:
    # `Miles_per_Gallon` and `Horsepower` have real gaps in this data.
    found, _ = _watch(_rows("cars"))

    assert found == []


@pytest.mark.parametrize(
    ("change", "kind", "fields"),
    [
        (lambda _: [], DriftKind.EMPTY, ()),
        (lambda _: None, DriftKind.EMPTY, ()),
        (lambda page: [dict.fromkeys(row) for row in page], DriftKind.EMPTY, ()),
        (lambda page: [{**row, "Name": ""} for row in page], DriftKind.LOST_FIELDS, ("[].Name",)),
        (
            lambda page: [{k: v for k, v in row.items() if k != "Year"} for row in page],
            DriftKind.LOST_FIELDS,
            ("[].Year",),
        ),
        (lambda page: page[:3], DriftKind.SMALLER, ()),
    ],
    ids=["no rows", "null", "all null", "an empty field", "a field gone", "few rows"],
)
def test_what_a_changed_site_leaves_is_marked(
    change: Change, kind: DriftKind, fields: tuple[str, ...]
) -> None:
    *before, last = _pages("cars", 40, seed=5)
    _, profile = _watch(before)

    found, _ = _watch([change(last)], profile)

    assert [(each.kinds, each.fields) for each in found] == [((kind,), fields)]
    assert found[0].message


def test_nothing_is_marked_on_the_first_twenty_runs() -> None:
    pages = _pages("cars", drift.FIRST_RUNS - 1, seed=1)

    found, profile = _watch([*pages, []])
    after, _ = _watch([[]], profile)
    next_to_them, _ = _watch([*pages, pages[0], []])

    assert (found, after) == ([], [])
    assert len(next_to_them) == 1


def test_a_result_below_a_lost_field_is_not_named_too() -> None:
    row = {"price": {"net": 1, "tax": 1}, "name": "x"}
    _, profile = _watch([[row] * 10 for _ in range(30)])

    found, _ = _watch([[{"price": None, "name": "x"}] * 10], profile)

    assert found[0].fields == ("[].price",)


@pytest.mark.parametrize(
    ("changed", "kind", "fields"),
    [
        ({"name": "x", "price": None}, DriftKind.LOST_FIELDS, ("price",)),
        ({"name": "", "price": None}, DriftKind.EMPTY, ()),
    ],
    ids=["a field gone", "nothing"],
)
def test_single_records_are_marked_at_the_third_in_a_row(
    changed: Any, kind: DriftKind, fields: tuple[str, ...]
) -> None:
    record = {"name": "x", "price": 5}
    _, profile = _watch([record] * 30)

    once, _ = _watch([changed, changed, record, changed], profile)
    thrice, _ = _watch([changed] * 4, profile)

    assert once == []
    assert [(each.kinds, each.fields) for each in thrice] == [((kind,), fields)] * 2


def test_what_is_new_for_good_is_usual_after_a_while() -> None:
    pages = _pages("cars", 80, seed=2)
    without = [[{k: v for k, v in row.items() if k != "Origin"} for row in page] for page in pages]

    found, profile = _watch([*pages[:40], *without[40:]])
    back, _ = _watch(without[:5], profile)
    gone, _ = _watch([[]], profile)

    assert len(found) == 20
    assert {each.fields for each in found} == {("[].Origin",)}
    assert back == []
    assert len(gone) == 1


def test_what_is_accepted_is_learnt_anew() -> None:
    pages = _pages("cars", 40, seed=3)
    _, profile = _watch([*pages, [], []])

    accepted = drift.accept(profile)
    found, _ = _watch([[], pages[0]], accepted)

    assert len(profile.drifted) == 2
    assert len(accepted.usual) == 2
    assert found == []


def test_a_good_result_ends_what_drifted() -> None:
    *before, last = _pages("cars", 40, seed=4)
    _, profile = _watch([*before, []])

    _, after = _watch([last], profile)

    assert len(profile.drifted) == 1
    assert after.drifted == ()


@pytest.mark.parametrize(
    ("lengths", "is_marked"),
    [([8] * 30, True), ([7] * 30, False), ([8] + [32] * 29, True), ([8] + [33] * 29, False)],
)
def test_one_result_alone_is_marked_where_lists_are_long_and_about_as_long_as_ever(
    lengths: list[int], is_marked: bool
) -> None:
    _, profile = _watch([{"a": 1, "b": 1}] * length for length in lengths)

    found, _ = _watch([[{"a": 1}] * 30], profile)

    assert bool(found) == is_marked


def test_a_field_beside_a_list_is_missed_at_the_third_in_a_row() -> None:
    rows = [{"a": 1}] * 10
    _, profile = _watch([{"rows": rows, "title": "x"}] * 30)

    once, _ = _watch([{"rows": rows}] * 2, profile)
    thrice, _ = _watch([{"rows": rows}] * 3, profile)

    assert once == []
    assert [each.fields for each in thrice] == [("title",)]


@pytest.mark.parametrize(("before", "is_marked"), [(19, False), (20, True)])
def test_three_in_a_row_are_marked_behind_twenty_that_are_good(
    before: int, is_marked: bool
) -> None:
    found, _ = _watch([{"a": 1, "b": 1}] * before + [{"a": 1}] * 3)

    assert bool(found) == is_marked


@pytest.mark.parametrize(
    ("changed", "kinds", "fields"),
    [
        ([{"b", "c", "d"}, {"a", "c", "d"}, {"a", "b", "d"}], (), ()),
        ([{"a", "d"}, {"a", "d"}, {"a", "c"}], (DriftKind.LOST_FIELDS,), ("b",)),
        ([{"a", "b", "c", "d"}] * 2 + [{"a"}], (), ()),
    ],
)
def test_of_three_in_a_row_what_they_have_in_common_is_marked(
    changed: list[set[str]], kinds: tuple[DriftKind, ...], fields: tuple[str, ...]
) -> None:
    _, profile = _watch([dict.fromkeys("abcd", 1)] * 30)

    found, _ = _watch([dict.fromkeys(sorted(each), 1) for each in changed], profile)

    assert [(each.kinds, each.fields) for each in found] == ([(kinds, fields)] if kinds else [])
    assert all("`b`, `d` had" in each.message for each in found)


def test_of_three_smaller_ones_the_last_is_not_marked_for_a_field_that_it_alone_lacks() -> None:
    _, profile = _watch([{"a": 1, "text": "x" * 1000}] * 30)

    found, _ = _watch([{"a": 1, "text": "x"}, {"a": 1, "text": "x"}, {"text": "x"}], profile)

    assert [(each.kinds, each.fields) for each in found] == [((DriftKind.SMALLER,), ())]
    assert "It has 13 bytes; 1020 are usual, and 1020 the least." in found[0].message


def test_nothing_is_not_marked_where_nothing_came_before() -> None:
    page = [{"a": 1}] * 10
    _, profile = _watch([[], *[page] * 30])

    found, _ = _watch([[]] * 4, profile)

    assert found == []


@pytest.mark.parametrize(("have_it", "is_missed"), [(18, False), (19, True)])
def test_a_field_is_missed_that_nearly_all_have_had(have_it: int, is_missed: bool) -> None:
    pages = [[{"a": 1, "b": 1}] * 10] * have_it + [[{"a": 1}] * 10] * (20 - have_it)

    found, _ = _watch([*pages, [{"a": 1}] * 10])

    assert bool(found) == is_missed


@pytest.mark.parametrize(
    ("count", "said"), [(5, "`[].e` had a value"), (6, "`[].e` and 1 more had a value")]
)
def test_of_many_fields_that_are_gone_some_are_named(count: int, said: str) -> None:
    row = dict.fromkeys("abcdef"[:count], 1)
    _, profile = _watch([[{**row, "z": 1}] * 10] * 20)

    found, _ = _watch([[{"z": 1}] * 10], profile)

    assert said in found[0].message


@pytest.mark.parametrize(
    ("usual", "now", "said"),
    [
        # A quarter of the median, and half of the least there ever was.
        ([40] * 20, 10, None),
        ([40] * 20, 9, "It has 9 items; 40 are usual, and 40 the least."),
        ([60] * 19 + [16], 8, None),
        ([60] * 19 + [16], 7, "It has 7 items; 60 are usual, and 16 the least."),
    ],
)
def test_a_list_is_marked_that_is_far_shorter(usual: list[int], now: int, said: str | None) -> None:
    found, _ = _watch([[1] * count for count in (*usual, now)])

    assert [each.message for each in found] == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("count", "kinds"),
    [
        (7, (DriftKind.LOST_FIELDS,)),
        (8, (DriftKind.SMALLER,)),
    ],
)
def test_a_short_list_that_is_gone_is_no_smaller_result(
    count: int, kinds: tuple[DriftKind, ...]
) -> None:
    found, _ = _watch([{"rows": [1] * count, "text": "x" * 1000}] * 20 + [{"text": "x" * 1000}] * 3)

    assert [each.kinds for each in found] == [kinds] * len(found)
    assert found


def test_a_shape_is_that_of_the_first_levels() -> None:
    near = drift.shape_of('{"a": {"b": {"c": {"d": [1, 2]}}}, "e": [1]}')
    far = drift.shape_of('{"a": {"b": {"c": {"d": {"e": [1, 2]}}}}}')

    assert (near.items, far.items) == (2, None)
    assert near.fields == {"a", "a.b", "a.b.c", "a.b.c.d", "e", "e[]"}
    assert far.fields == {"a", "a.b", "a.b.c", "a.b.c.d"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(_JSON, max_size=30))
def test_any_result_can_be_judged_and_a_profile_reads_back(results: list[Any]) -> None:
    _, seen = _watch(results)
    profile = Profile(usual=seen.usual, drifted=seen.usual[-2:])

    assert drift.read(drift.as_text(profile)) == profile


@given(_JSON)
def test_the_same_again_is_never_marked(result: Any) -> None:
    found, _ = _watch([result] * 30)

    assert found == []
