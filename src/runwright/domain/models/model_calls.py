"""Model calls: what one may cost, what it has used, and whether the limits allow it. Pure."""

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
    """A request about to be forwarded to the provider."""

    run_id: RunId
    """The Run that is charged."""
    project_id: ProjectId
    provider: Provider
    model: str
    price_name: str | None
    """The model's name in the price table; None: it has no price."""
    reserved_usd: Decimal
    """The maximum cost, as far as the request tells."""
    input_tokens: int
    """An estimate of the tokens it sends."""
    input_usd: Decimal
    """The cost of the input."""

    @property
    def is_free(self) -> bool:
        """True when the model is known to cost nothing."""
        return self.price_name is not None and not self.reserved_usd


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """The usage and cost of a call."""

    is_failed: bool
    """The provider returned an error, which costs nothing, or no response."""
    is_estimated: bool
    usage: Usage
    price_name: str | None
    usd: Decimal | None
    """None: the model has no price."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """Amounts in USD."""

    spent: Decimal
    reserved: Decimal
    """Held by calls in progress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spendings:
    """Total spending of a Run, and today's spending of its project and of all projects."""

    run: Spending
    project: Spending
    day: Spending


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Spending limits in USD; None means no limit."""

    run: Decimal | None
    """Per Run, including its checks and creates."""
    project: Decimal | None
    """Per project and day."""
    day: Decimal | None
    """Per day, for all projects."""

    @property
    def is_any(self) -> bool:
        """True when any limit is set."""
        return any(limit is not None for limit in (self.run, self.project, self.day))

    def check(self, call: ModelCall, spendings: Spendings) -> None:
        """Reject a call that has no budget left.

        Raises:
            PaymentRequired: a limit is reached; names its setting.
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
                # Daily budgets renew the next day.
                error.retryable = name != "run"
                raise error

    def has_room(self, call: ModelCall, spendings: Spendings) -> bool:
        """True when a call fits into the budget next to those in progress.

        A call on its own always fits, so a limit is exceeded by the cost of one call at most.
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
    """The call that a request would make."""
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
    """Tracks what a call uses while its response arrives."""

    def __init__(self, request: ModelRequest, prices: PriceTable) -> None:
        self._request = request
        self._prices = prices
        self._is_failed = False
        self._is_whole = False
        self.heard = Heard(request.endpoint.protocol)

    def fail(self) -> None:
        """Record that the provider did nothing that costs money."""
        self._is_failed = True

    def end(self) -> None:
        """Record that the response is complete."""
        self._is_whole = True

    def used(self) -> Used:
        """The usage and cost so far.

        The price is that of the model named in the response, which may differ from the requested one; if that
        model has no price, the requested one's applies.
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
