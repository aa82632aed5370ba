"""Which call of a language model is let through, which waits, and what it has cost in the end."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from runwright.domain.ids import ProjectId, RunId
from runwright.domain.models import model_calls, model_endpoints, model_prices, model_requests
from runwright.domain.models.model_calls import Limits, ModelCall, Spending, Spendings, Tally, Used
from runwright.domain.models.model_requests import ModelRequest
from runwright.domain.models.model_usage import Usage
from runwright.errors import PaymentRequired

_PRICES = model_prices.read(
    '{"m": {"input": 100000, "output": 100000}, "dear": {"input": 300000, "output": 300000},'
    ' "own": {"input": 0, "output": 0}}'
)
"""A dime for a token of `m`, three for one of `dear`."""
_DIME = Decimal("0.1")
_NOTHING = Spending(spent=Decimal(0), reserved=Decimal(0))
_NO_LIMIT = Limits(run=None, project=None, day=None)


def _request(model: str = "m") -> ModelRequest:
    endpoint = model_endpoints.find("v1/messages")
    assert endpoint is not None
    body = json.dumps({"model": model, "max_tokens": 5, "messages": []}).encode()
    return replace(model_requests.parse(endpoint, body, "token"), input_tokens=2)


def _call(model: str = "m") -> ModelCall:
    return model_calls.planned(_request(model), _PRICES, RunId("r"), ProjectId(UUID(int=1)))


def _spendings(name: str, spent: int, reserved: int = 0) -> Spendings:
    nothing = Spendings(run=_NOTHING, project=_NOTHING, day=_NOTHING)
    spending = Spending(spent=spent * _DIME, reserved=reserved * _DIME)
    return replace(nothing, **{name: spending})


@pytest.mark.parametrize(
    ("model", "price_name", "reserved", "sent"),
    [("m", "m", 7, 2), ("dear", "dear", 21, 6), ("own", "own", 0, 0), ("unheard-of", None, 0, 0)],
)
def test_a_call_reserves_what_it_may_cost(
    model: str, price_name: str | None, reserved: int, sent: int
) -> None:
    call = _call(model)

    assert (call.run_id, call.project_id, call.model) == ("r", UUID(int=1), model)
    assert (call.price_name, call.reserved_usd, call.input_usd) == (
        price_name,
        reserved * _DIME,
        sent * _DIME,
    )
    assert (call.provider, call.input_tokens) == (_request().endpoint.provider, 2)
    # What has no price may cost something.
    assert call.is_free == (model == "own")


@pytest.mark.parametrize("name", ["run", "project", "day"])
def test_a_call_is_refused_once_its_limit_is_used_up(name: str) -> None:
    limits = replace(_NO_LIMIT, **{name: Decimal("1.00")})
    assert limits.is_any

    limits.check(_call(), _spendings(name, 9, reserved=5))
    for spent in (10, 11):
        with pytest.raises(PaymentRequired, match=": 1 USD ") as caught:
            limits.check(_call(), _spendings(name, spent))
        assert f"`RUNWRIGHT_MODEL_{name.upper()}_LIMIT_USD`" in caught.value.message
        assert caught.value.retryable == (name != "run")
        # What costs nothing is let through, and what costs an unknown amount is not.
        limits.check(_call("own"), _spendings(name, spent))
        with pytest.raises(PaymentRequired):
            limits.check(_call("unheard-of"), _spendings(name, spent))


@pytest.mark.parametrize("name", ["run", "project", "day"])
@pytest.mark.parametrize(
    ("spent", "reserved", "has_room"), [(0, 3, True), (1, 2, True), (1, 3, False), (9, 0, True)]
)
def test_a_call_has_room_beside_others_as_far_as_all_may_cost_no_more_than_the_limit(
    name: str, spent: int, reserved: int, has_room: bool
) -> None:
    limits = replace(_NO_LIMIT, **{name: Decimal(1)})
    spendings = _spendings(name, spent, reserved)

    assert limits.has_room(_call(), spendings) is has_room
    assert limits.has_room(_call("own"), spendings)
    assert _NO_LIMIT.has_room(_call(), spendings)


def test_without_a_limit_everything_is_let_through() -> None:
    _NO_LIMIT.check(_call("dear"), _spendings("run", 10**9))

    assert not _NO_LIMIT.is_any
    assert Limits(run=None, project=None, day=Decimal(0)).is_any


def _used(model: str, *events: dict[str, Any], is_whole: bool = True, fails: bool = False) -> Used:
    tally = Tally(_request(model), _PRICES)
    for each in events:
        tally.heard.hear(each)
    if is_whole:
        tally.end()
    if fails:
        tally.fail()
    return tally.used()


@pytest.mark.parametrize(
    ("asked", "answered", "price_name", "usd"),
    [
        ("m", "dear", "dear", 21),
        ("m", "m", "m", 7),
        ("m", "unheard-of", "m", 7),
        ("unheard-of", "dear", "dear", 21),
        ("unheard-of", "unheard-of", None, None),
        ("m", None, "m", 7),
    ],
)
def test_what_a_call_has_cost_is_by_the_model_that_answered(
    asked: str, answered: str | None, price_name: str | None, usd: int | None
) -> None:
    answer = {"model": answered, "usage": {"input_tokens": 3, "output_tokens": 4}}

    assert _used(asked, answer) == Used(
        is_failed=False,
        is_estimated=False,
        usage=Usage(input_tokens=3, output_tokens=4),
        price_name=price_name,
        usd=None if usd is None else usd * _DIME,
    )


def test_a_call_that_failed_has_cost_nothing_and_one_that_broke_off_what_it_had_sent() -> None:
    failed = _used("m", fails=True)
    begun = {"content": [{"text": "x" * 4000}]}
    broken = _used("m", begun, is_whole=False)

    assert (failed.is_failed, failed.is_estimated, failed.usage, failed.usd) == (
        True,
        False,
        Usage(),
        0,
    )
    assert (broken.is_failed, broken.is_estimated, broken.usd) == (
        False,
        True,
        7 * _DIME,
    )
    # Of the output no more is estimated than was asked for.
    assert broken.usage == Usage(input_tokens=2, output_tokens=5)
