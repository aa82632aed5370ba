"""Requests to language models, charged to the Runs that make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from runwright import db_errors, telemetry
from runwright.control.base.platform import Platform
from runwright.control.runs.author_calls import Author
from runwright.domain.models import model_calls as domain
from runwright.domain.models.model_calls import Limits, ModelCall, Tally
from runwright.domain.models.model_prices import PriceTable
from runwright.domain.models.model_requests import ModelRequest
from runwright.errors import ModelNotPriced, RateLimited
from runwright.storage import database, model_calls as rows

log = telemetry.logger(__name__)

_LIFE = timedelta(minutes=1)
"""A call without news for this long has lost its server."""
_NOTE_SECONDS = 15.0
_ENDED = timedelta(seconds=-1)
_TRIES = (0.1, 0.5, 2.0, 5.0)
_DAYS_KEPT = 400
_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_RETRY_SECONDS = 5


class Counted:
    """A call in progress whose usage is counted."""

    def __init__(self, platform: Platform, call_id: int, tally: Tally) -> None:
        self._platform = platform
        self._call_id = call_id
        self._is_counted = False
        self.tally = tally

    async def count(self) -> None:
        """Count its usage exactly once, even when the caller is canceled."""
        if not self._is_counted:
            self._is_counted = True
            await asyncio.shield(asyncio.create_task(self._count()))

    async def note(self) -> None:
        """Record its usage so far at intervals, forever: this is what counts if the server dies."""
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            try:
                await rows.note(self._platform.database, self._call_id, self.tally.used(), _LIFE)
            except Exception as error:
                if not db_errors.is_to_wait_for(error):
                    raise

    async def _count(self) -> None:
        for wait in (*_TRIES, None):
            try:
                await rows.note(self._platform.database, self._call_id, self.tally.used(), _ENDED)
                await rows.count_ended(self._platform.database)
            except Exception as error:
                if not db_errors.is_to_wait_for(error):
                    raise
                if wait is None:
                    # Housekeeping counts what was recorded last.
                    log.warning("model call not counted yet", event_name="model_call_not_counted")
                    return
                await asyncio.sleep(wait)
            else:
                return


@asynccontextmanager
async def opened(
    platform: Platform, author: Author, request: ModelRequest, prices: PriceTable
) -> AsyncGenerator[Counted]:
    """Admit a call within the limits, and charge it to its Run however it ends.

    Raises:
        PaymentRequired: a limit is used up.
        ModelNotPriced: there is a limit, and the model has no price.
        RateLimited: calls in progress have reserved the rest.
    """
    call = domain.planned(request, prices, author.charged_run_id, author.project_id)
    call_id = await _admit(platform, call)
    counted = Counted(platform, call_id, Tally(request, prices))
    noting = asyncio.create_task(counted.note())
    try:
        yield counted
    finally:
        noting.cancel()
        await counted.count()


async def _admit(platform: Platform, call: ModelCall) -> int:
    settings = platform.settings
    limits = Limits(
        run=settings.model_run_limit_usd,
        project=settings.model_project_limit_usd,
        day=settings.model_day_limit_usd,
    )
    if not limits.is_any:
        return await rows.begin(platform.database, call, _LIFE)
    if call.price_name is None:
        raise ModelNotPriced(
            f"The model `{call.model}` has no price, so what it costs cannot be held to a limit: the operator must "
            "set one in `RUNWRIGHT_MODEL_PRICES`."
        )
    until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while (call_id := await _admit_now(platform, call, limits)) is None:
        if asyncio.get_running_loop().time() > until:
            error = RateLimited(
                "Calls in progress have reserved what is left to spend on language models: try again later."
            )
            error.retry_after = _RETRY_SECONDS
            raise error
        await asyncio.sleep(_LOOK_SECONDS)
    return call_id


async def _admit_now(platform: Platform, call: ModelCall, limits: Limits) -> int | None:
    """Begin a call if the limits allow it beside those in progress; return its ID."""
    async with platform.database.acquire() as connection, database.transaction(connection):
        await rows.lock(connection)
        await rows.count_ended(connection)
        spendings = await rows.standing(connection, call.run_id, call.project_id)
        limits.check(call, spendings)
        if not limits.has_room(call, spendings):
            return None
        return await rows.begin(connection, call, _LIFE)


async def count_lost(platform: Platform) -> None:
    """Count calls whose server died, by their last recorded usage; forget old spending."""
    await rows.count_ended(platform.database)
    await rows.forget_spending(platform.database, _DAYS_KEPT)
