"""Rows of Model calls, and of Runs' usage: one function per query of `sql/model_calls.sql`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from runwright.domain.ids import ProjectId, RunId
from runwright.domain.models.model_calls import ModelCall, Spending, Spendings, Used
from runwright.domain.models.model_endpoints import Provider
from runwright.domain.models.model_usage import ModelUse, Usage
from runwright.storage.database import queries

_SQL = queries("model_calls")
_LOCK = 7_240_121
_MODELS_OF_RUN = 50


async def lock(connection: Any) -> None:
    """Serialize access to the remaining budgets until the transaction ends."""
    await connection.execute(_SQL["lock"], _LOCK)


async def standing(connection: Any, run_id: RunId, project_id: ProjectId) -> Spendings:
    """What has been spent and reserved against each limit."""
    row = await connection.fetchrow(_SQL["standing"], run_id, project_id)
    return Spendings(
        **{
            name: Spending(spent=row[f"{name}_spent"], reserved=row[f"{name}_reserved"])
            for name in ("run", "project", "day")
        }
    )


async def begin(connection: Any, call: ModelCall, life: timedelta) -> int:
    """Insert a Model call, considered in progress for `life` unless `note` extends it; return its id."""
    return await connection.fetchval(
        _SQL["begin"],
        call.run_id,
        call.project_id,
        call.provider.value,
        call.model,
        call.price_name,
        call.reserved_usd,
        call.input_tokens,
        call.input_usd,
        life,
    )


async def note(connection: Any, call_id: int, used: Used, life: timedelta) -> None:
    """Record a call's usage so far and extend it by `life`; a negative `life` ends it."""
    usage = used.usage
    await connection.execute(
        _SQL["note"],
        call_id,
        used.is_failed,
        used.is_estimated,
        usage.input_tokens,
        usage.cached_tokens,
        usage.written_tokens,
        usage.output_tokens,
        used.usd or Decimal(0),
        used.price_name,
        life,
    )


async def count_ended(connection: Any) -> None:
    """Account for every call that has ended, or whose server is gone."""
    await connection.fetch(_SQL["count_ended"], _MODELS_OF_RUN)


async def of_run(connection: Any, run_id: str) -> tuple[ModelUse, ...]:
    """A Run's usage by model, most expensive first."""
    return tuple(_use(row) for row in await connection.fetch(_SQL["of_run"], run_id))


async def spent_today(connection: Any) -> Decimal:
    """What all Runs have spent today, in USD."""
    return await connection.fetchval(_SQL["spent_today"])


async def forget_spending(connection: Any, days: int) -> None:
    """Delete spending records that many days old or older."""
    await connection.execute(_SQL["forget_spending"], days)


def _use(row: Any) -> ModelUse:
    return ModelUse(
        provider=Provider(row["provider"]),
        model=row["model"],
        calls=row["calls"],
        failed_calls=row["failed_calls"],
        estimated_calls=row["estimated_calls"],
        unpriced_calls=row["unpriced_calls"],
        usage=Usage(
            input_tokens=row["input_tokens"],
            cached_tokens=row["cached_tokens"],
            written_tokens=row["written_tokens"],
            output_tokens=row["output_tokens"],
        ),
        usd=row["usd"],
    )
