"""One request to a language model: what it may cost, what it has used, and whether the limits let it through. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from runwright.domain.ids import ProjectId, RunId
from runwright.domain.models.model_endpoints import Provider
from runwright.domain.models.model_prices import PriceTable
from runwright.domain.models.model_requests import ModelRequest
from runwright.domain.models.model_usage import Heard, Usage
from runwright.errors import PaymentRequired


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCall:
    """A request that is about to be passed on."""

    run_id: RunId
    """The Run that it is counted on."""
    project_id: ProjectId
    provider: Provider
    model: str
    price_name: str | None
    """Under which its price stands; None: it has none."""
    reserved_usd: Decimal
    """What it may cost, as far as the request says."""
    input_tokens: int
    """About what it sends."""
    input_usd: Decimal
    """What that costs."""

    @property
    def is_free(self) -> bool:
        """Return whether its model costs nothing."""
        return self.price_name is not None and not self.reserved_usd


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """What a call has used."""

    is_failed: bool
    """It was answered with an error, which costs nothing, or not at all."""
    is_estimated: bool
    usage: Usage
    price_name: str | None
    usd: Decimal | None
    """None: the model has no price."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """Money in USD."""

    spent: Decimal
    reserved: Decimal
    """By calls that are under way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spendings:
    """What was spent on a Run in all, and today on its project and on all projects."""

    run: Spending
    project: Spending
    day: Spending


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What may be spent, in USD; None is no limit."""

    run: Decimal | None
    """On one Run, its checks and creates included."""
    project: Decimal | None
    """On the Runs of one project in a day."""
    day: Decimal | None
    """On all Runs in a day."""

    @property
    def is_any(self) -> bool:
        """Return whether there is one."""
        return any(limit is not None for limit in (self.run, self.project, self.day))

    def check(self, call: ModelCall, spendings: Spendings) -> None:
        """Refuse a call for which there is no money left.

        Raises:
            PaymentRequired: a limit is used up; names its setting.
        """
        if call.is_free:
            return
        whose = {
            "run": f"Run `{call.run_id}` has used up what a run may spend on language models",
            "project": "The project has used up what it may spend today on language models",
            "day": "What all projects may spend today on language models is used up",
        }
        for name, limit, spending in self._each(spendings):
            if spending.spent >= limit:
                error = PaymentRequired(
                    f"{whose[name]}: {limit.normalize():f} USD (the operator's setting "
                    f"`RUNWRIGHT_MODEL_{name.upper()}_LIMIT_USD`)."
                )
                # The next day has money again.
                error.retryable = name != "run"
                raise error

    def has_room(self, call: ModelCall, spendings: Spendings) -> bool:
        """Return whether a call fits beside those that are under way.

        One that is alone always does, so that a limit is passed by no more than one call costs.
        """
        return call.is_free or all(
            not spending.reserved or spending.spent + spending.reserved + call.reserved_usd <= limit
            for _, limit, spending in self._each(spendings)
        )

    def _each(self, spendings: Spendings) -> Iterator[tuple[str, Decimal, Spending]]:
        for name, limit, spending in (
            ("run", self.run, spendings.run),
            ("project", self.project, spendings.project),
            ("day", self.day, spendings.day),
        ):
            if limit is not None:
                yield name, limit, spending


def planned(
    request: ModelRequest, prices: PriceTable, run_id: RunId, project_id: ProjectId
) -> ModelCall:
    """Return the call that a request would be."""
    price = prices.find(request.model)
    sent = Usage(input_tokens=request.input_tokens)
    most = Usage(input_tokens=request.input_tokens, output_tokens=request.most_output_tokens)
    return ModelCall(
        run_id=run_id,
        project_id=project_id,
        provider=request.endpoint.provider,
        model=request.model,
        price_name=None if price is None else price.name,
        reserved_usd=Decimal(0) if price is None else price.cost(most),
        input_tokens=request.input_tokens,
        input_usd=Decimal(0) if price is None else price.cost(sent),
    )


class Tally:
    """What a call uses, while its answer comes."""

    def __init__(self, request: ModelRequest, prices: PriceTable) -> None:
        self._request = request
        self._prices = prices
        self._is_failed = False
        self._is_whole = False
        self.heard = Heard(request.endpoint.protocol)

    def fail(self) -> None:
        """Take it that the provider did nothing that costs."""
        self._is_failed = True

    def end(self) -> None:
        """Take it that the answer has come to its end."""
        self._is_whole = True

    def used(self) -> Used:
        """Return what it has used so far.

        The price is that of the model which the answer names, if that has one: it may be another than was asked for.
        """
        asked, answered = self._request.model, self.heard.model
        price = (answered and self._prices.find(answered)) or self._prices.find(asked)
        usage, is_estimated = Usage(), False
        if not self._is_failed:
            usage, is_estimated = self.heard.usage(
                self._request.input_tokens,
                self._request.most_output_tokens,
                is_whole=self._is_whole,
            )
        return Used(
            is_failed=self._is_failed,
            is_estimated=is_estimated,
            usage=usage,
            price_name=None if price is None else price.name,
            usd=None if price is None else price.cost(usage),
        )
