"""Prices of language models: the operator's, otherwise the providers' list prices. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from runwright.domain.models.list_prices import LIST_PRICES
from runwright.domain.models.model_usage import Usage

_MILLION = 1_000_000
_FIELDS = ("input", "output", "cached", "cache_write")
_DATE = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest|\d{3})$")
"""A version suffix: a version without a price of its own has its model's price."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """USD per million tokens."""

    name: str
    """The name that the price is listed under."""
    input: Decimal
    output: Decimal
    cached: Decimal
    """For tokens read from the provider's cache."""
    cache_write: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """The cost of a usage, in USD."""
        plain = usage.input_tokens - usage.cached_tokens - usage.written_tokens
        total = (
            plain * self.input
            + usage.cached_tokens * self.cached
            + usage.written_tokens * self.cache_write
            + usage.output_tokens * self.output
        )
        return total / _MILLION


class PriceTable:
    """Prices by model name."""

    def __init__(self, own: dict[str, Price]) -> None:
        """`own` holds the operator's prices, which win; a name that ends with `*` is a prefix."""
        self._own = {name: price for name, price in own.items() if not name.endswith("*")}
        beginnings = [(name[:-1], price) for name, price in own.items() if name.endswith("*")]
        self._beginnings = sorted(beginnings, key=lambda each: len(each[0]), reverse=True)

    def find(self, model: str) -> Price | None:
        """The price of a model, or None."""
        name = model.lower().removeprefix("models/")
        names = (name, _DATE.sub("", name))
        for each in names:
            if (price := self._own.get(each)) is not None:
                return price
        for beginning, price in self._beginnings:
            if name.startswith(beginning):
                return price
        return next((_listed(each) for each in names if each in LIST_PRICES), None)


def read(text: str) -> PriceTable:
    """Parse the operator's JSON: `{"model": {"input": 3, "output": 15, "cached": 0.3}}`.

    Raises:
        ValueError: it is invalid; names the model and the field.
    """
    value = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object of models")  # noqa: TRY004 - callers expect ValueError for a setting
    models = cast("dict[str, Any]", value)
    return PriceTable({name.lower(): _price(name, each) for name, each in models.items()})


def _price(name: str, value: Any) -> Price:
    if not isinstance(value, dict):
        raise ValueError(f"the price of `{name}` is not an object")  # noqa: TRY004 - the same
    fields = cast("dict[str, Any]", value)
    if unknown := set(fields) - set(_FIELDS):
        known = ", ".join(f"`{each}`" for each in _FIELDS)
        raise ValueError(f"the price of `{name}` has `{min(unknown)}`, which is none of {known}")
    for required in _FIELDS[:2]:
        if required not in fields:
            raise ValueError(f"the price of `{name}` has no `{required}`")
    amounts = {field: _amount(name, field, each) for field, each in fields.items()}
    return Price(
        name=name.lower(),
        input=amounts["input"],
        output=amounts["output"],
        cached=amounts.get("cached", amounts["input"]),
        cache_write=amounts.get("cache_write", amounts["input"]),
    )


def _amount(name: str, field: str, value: Any) -> Decimal:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _MILLION:
        raise ValueError(f"`{field}` of `{name}` is no price in USD for a million tokens")
    return Decimal(value)


def _listed(name: str) -> Price:
    read_, made, cached, written = LIST_PRICES[name]
    return Price(
        name=name,
        input=Decimal(read_),
        output=Decimal(made),
        cached=Decimal(cached or read_),
        cache_write=Decimal(written or read_),
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
