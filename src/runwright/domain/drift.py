"""Drift: whether a result still looks like earlier ones. Pure.

When a site changes, an automation may keep "completing" with less than it should: missing fields, an empty
list, a tenth of the rows. What a result looks like is its shape; an Api's profile holds the shapes of its
latest Runs. A Run drifts when its shape breaks with what they all had in common, so results that vary
naturally raise no alarm. If results are lists of about the same length, one deviation is enough; otherwise
it could be chance, and it takes three in a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any, cast

FIRST_RUNS = 20
"""Nothing drifts before an Api has had this many Runs."""
_KEPT = 60
_NEW_USUAL = 20
"""After this many drifting Runs in a row, their shapes are the new usual."""
_DEEPEST = 4
_MOST_FIELDS = 200
_MOST_ITEMS = 500
_ALWAYS = 0.95
"""A field that this share of the shapes has counts as lost when it is missing."""
_FILLED = 0.5
"""In a list, a field is present if this share of the items has a value for it."""
_FAR_SMALLER = 0.25
"""Relative to the median; it must also be below half of the smallest usual one."""
_HALF = 0.5
_FEW_ITEMS = 8
"""If lists are usually shorter than this, a shorter one means nothing."""
_WILD = 4
"""Lists vary naturally if their usual length is more than this many times the shortest."""
_IN_A_ROW = 2
"""Where one deviation could be chance, this many Runs before it must have drifted the same way."""
_SHOWN = 5


class DriftKind(StrEnum):
    """How a result deviates from the usual."""

    EMPTY = "empty"
    LOST_FIELDS = "lost-fields"
    SMALLER = "smaller"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What a result looks like, without its values."""

    size_bytes: int
    is_empty: bool
    """Null, or nothing but empty lists, objects and strings."""
    items: int | None
    """The length of the longest list in it."""
    fields: frozenset[str]
    """Paths with a value, such as `products[].price`; in a list, those with a value in at least half of the items."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The shapes of an Api's Runs."""

    usual: tuple[Shape, ...] = ()
    """Those of the latest usual Runs, the newest last."""
    drifted: tuple[Shape, ...] = ()
    """Those of the Runs since, all of which drifted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """Why a result deviates from the usual."""

    kinds: tuple[DriftKind, ...]
    message: str
    fields: tuple[str, ...] = ()
    """The fields that are missing."""


def shape_of(result: str) -> Shape:
    """The shape of a result, given as JSON text."""
    value = json.loads(result)
    return Shape(
        size_bytes=len(result),
        is_empty=_is_empty(value),
        items=max(_lengths(value, 0), default=None),
        fields=frozenset(_first(_paths(value, "", 0), _MOST_FIELDS)),
    )


def judge(profile: Profile, shape: Shape) -> tuple[Drift | None, Profile]:
    """Decide whether a shape drifts from a profile, and return the updated profile.

    Drifting shapes are kept apart, until enough of them in a row become the new usual.
    """
    drift = _drift(profile.usual, shape) if len(profile.usual) >= FIRST_RUNS else None
    if drift is None:
        return None, Profile(usual=(*profile.usual, shape)[-_KEPT:])
    drifted = (*profile.drifted, shape)
    if len(drifted) >= _NEW_USUAL:
        return drift, Profile(usual=drifted)
    return drift, replace(profile, drifted=drifted)


def accept(profile: Profile) -> Profile:
    """Make the recently drifted shapes the usual ones, and relearn from there."""
    return Profile(usual=profile.drifted) if profile.drifted else profile


def as_text(profile: Profile) -> str:
    """A profile as JSON text."""

    def body(shape: Shape) -> list[Any]:
        return [shape.size_bytes, shape.is_empty, shape.items, sorted(shape.fields)]

    return json.dumps(
        {"usual": [*map(body, profile.usual)], "drifted": [*map(body, profile.drifted)]}
    )


def read(text: str) -> Profile:
    """Load a profile from JSON text."""

    def shapes(bodies: list[Any]) -> tuple[Shape, ...]:
        return tuple(
            Shape(size_bytes=size, is_empty=is_empty, items=items, fields=frozenset(fields))
            for size, is_empty, items, fields in bodies
        )

    body = json.loads(text)
    return Profile(usual=shapes(body["usual"]), drifted=shapes(body["drifted"]))


def _drift(usual: tuple[Shape, ...], shape: Shape) -> Drift | None:
    if _is_steady(usual) and (found := _compare(usual, shape, only_lists=True)) is not None:
        return found
    # It could be chance: a single record may have gaps, and some searches find little.
    before, lately = usual[:-_IN_A_ROW], usual[-_IN_A_ROW:]
    if len(before) < FIRST_RUNS:
        return None
    seen = [_compare(before, each, only_lists=False) for each in (*lately, shape)]
    return _common([each for each in seen if each is not None]) if all(seen) else None


def _is_steady(usual: tuple[Shape, ...]) -> bool:
    """True when the results are lists of about the same length, so that a single deviation is significant."""
    lengths = [each.items or 0 for each in usual]
    usually = median(lengths)
    return usually >= _FEW_ITEMS and usually <= _WILD * min(lengths)


def _common(seen: list[Drift]) -> Drift | None:
    """What consecutive drifts have in common, in the words of the last one."""
    last = seen[-1]
    fields = tuple(name for name in last.fields if all(name in each.fields for each in seen))
    kinds = tuple(
        kind
        for kind in last.kinds
        if all(kind in each.kinds for each in seen)
        and (kind is not DriftKind.LOST_FIELDS or fields)
    )
    return replace(last, kinds=kinds, fields=fields) if kinds else None


def _compare(usual: tuple[Shape, ...], shape: Shape, *, only_lists: bool) -> Drift | None:
    if shape.is_empty:
        if any(each.is_empty for each in usual):
            return None
        return Drift(kinds=(DriftKind.EMPTY,), message="The result is empty, and never was.")
    lost = [name for name in _lost(usual, shape) if not only_lists or "[]" in name]
    smaller = _smaller(usual, shape)
    kinds: list[DriftKind] = []
    said: list[str] = []
    if lost:
        kinds.append(DriftKind.LOST_FIELDS)
        names = ", ".join(f"`{name}`" for name in lost[:_SHOWN])
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        said.append(f"{names}{more} had a value in nearly every result and has none now.")
    if smaller is not None:
        kinds.append(DriftKind.SMALLER)
        said.append(smaller)
    if not kinds:
        return None
    return Drift(kinds=tuple(kinds), message=" ".join(said), fields=tuple(lost))


def _lost(usual: tuple[Shape, ...], shape: Shape) -> list[str]:
    known: dict[str, int] = {}
    for each in usual:
        for name in each.fields:
            known[name] = known.get(name, 0) + 1
    gone = {
        name
        for name, count in known.items()
        if count >= _ALWAYS * len(usual) and name not in shape.fields
    }
    # Fields below a missing one are missing too, and need no mention.
    return sorted(
        name for name in gone if not any(name.startswith((f"{top}.", f"{top}[")) for top in gone)
    )


def _smaller(usual: tuple[Shape, ...], shape: Shape) -> str | None:
    lengths = [each.items for each in usual if each.items is not None]
    if len(lengths) == len(usual) and median(lengths) >= _FEW_ITEMS:
        now = shape.items or 0
        if _is_far_smaller(now, lengths):
            return (
                f"It has {now} items; {median(lengths):g} are usual, and {min(lengths)} the least."
            )
        return None
    sizes = [each.size_bytes for each in usual]
    if _is_far_smaller(shape.size_bytes, sizes):
        return f"It has {shape.size_bytes} bytes; {median(sizes):g} are usual, and {min(sizes)} the least."
    return None


def _is_far_smaller(now: int, before: list[int]) -> bool:
    return now < _FAR_SMALLER * median(before) and now < _HALF * min(before)


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_empty, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return all(map(_is_empty, cast("list[Any]", value)))
    return value is None or value == ""


def _lengths(value: Any, depth: int) -> Iterator[int]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        yield len(cast("list[Any]", value))
    elif isinstance(value, dict):
        for each in cast("dict[str, Any]", value).values():
            yield from _lengths(each, depth + 1)


def _paths(value: Any, path: str, depth: int) -> Iterator[str]:
    """Yield the paths in a value that are not empty."""
    if depth > _DEEPEST or _is_empty(value):
        return
    if path:
        yield path
    if isinstance(value, dict):
        for name, each in sorted(cast("dict[str, Any]", value).items()):
            yield from _paths(each, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        yield from _paths_of_items(cast("list[Any]", value), f"{path}[]", depth + 1)


def _paths_of_items(items: list[Any], path: str, depth: int) -> Iterator[str]:
    step = max(len(items) // _MOST_ITEMS, 1)
    seen = items[::step]
    known: dict[str, int] = {}
    for item in seen:
        for name in _paths(item, path, depth):
            known[name] = known.get(name, 0) + 1
    yield from (name for name, count in sorted(known.items()) if count >= _FILLED * len(seen))


def _first(names: Iterable[str], count: int) -> Iterator[str]:
    for name, _ in zip(names, range(count), strict=False):
        yield name
