"""Which results drift, shown on real data: no false alarm where they vary, an alarm where something is gone."""

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

    assert (found, after) == ([], [])


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

    assert len(found) == 20
    assert {each.fields for each in found} == {("[].Origin",)}
    assert back == []


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


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(_JSON, max_size=30))
def test_any_result_can_be_judged_and_a_profile_reads_back(results: list[Any]) -> None:
    _, profile = _watch(results)

    assert drift.read(drift.as_text(profile)) == profile


@given(_JSON)
def test_the_same_again_is_never_marked(result: Any) -> None:
    found, _ = _watch([result] * 30)

    assert found == []
