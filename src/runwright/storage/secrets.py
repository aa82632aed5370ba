"""Every column with sealed values, for sealing them all with a new key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedColumn:
    """A column of sealed values, and the record that each value is bound to."""

    table: str
    column: str
    keys: tuple[str, ...]
    """The table's primary key."""
    record: str
    """The record's name, with a placeholder for each key."""

    def record_of(self, key: tuple[str, ...]) -> str:
        """The record that the value of that row is bound to."""
        return self.record.format(*key)


COLUMNS = (
    SealedColumn(
        table="variables",
        column="sealed_value",
        keys=("owner_id", "name"),
        record="variable:{0}:{1}",
    ),
    SealedColumn(table="runs", column="sealed_proxy", keys=("id",), record="run:{0}"),
    SealedColumn(table="runs", column="sealed_session", keys=("id",), record="run-session:{0}"),
    SealedColumn(table="runs", column="sealed_sink", keys=("id",), record="run-sink:{0}"),
    SealedColumn(
        table="deployments", column="sealed_sink", keys=("id",), record="deployment-sink:{0}"
    ),
    SealedColumn(
        table="deployments", column="sealed_proxy", keys=("id",), record="deployment-proxy:{0}"
    ),
    SealedColumn(
        table="jobs", column="sealed_secrets", keys=("project_id", "id"), record="job:{0}/{1}"
    ),
    SealedColumn(table="job_runs", column="sealed_secrets", keys=("id",), record="job-run:{0}"),
    SealedColumn(table="deliveries", column="sealed_sink", keys=("id",), record="delivery:{0}"),
    SealedColumn(
        table="webhook_secrets",
        column="sealed_secret",
        keys=("id",),
        record="webhook-secret:{0}",
    ),
    *(
        SealedColumn(
            table="auth_sessions",
            column=f"sealed_{part}",
            keys=("project_id", "id"),
            record="auth-session:{0}/{1}:" + part,
        )
        for part in ("parameters", "state", "proxy")
    ),
)


async def sealed_otherwise(
    connection: Any, column: SealedColumn, key_id: bytes
) -> list[tuple[str, ...]]:
    """The keys of rows whose value was sealed with a key other than that one."""
    keys = ", ".join(f"{key}::text" for key in column.keys)
    rows = await connection.fetch(
        f"SELECT {keys} FROM {column.table} WHERE substring({column.column} FROM 2 FOR 4) <> $1",
        key_id,
    )
    return [tuple(row.values()) for row in rows]


async def get(connection: Any, column: SealedColumn, key: tuple[str, ...]) -> bytes | None:
    """The sealed value of one row."""
    return await connection.fetchval(
        f"SELECT {column.column} FROM {column.table} WHERE {_where(column)}", *key
    )


async def replace(
    connection: Any, column: SealedColumn, key: tuple[str, ...], old: bytes, new: bytes
) -> bool:
    """Replace a row's sealed value; False when it has changed in the meantime."""
    number = len(key)
    row = await connection.fetchrow(
        f"UPDATE {column.table} SET {column.column} = ${number + 1}"
        f" WHERE {_where(column)} AND {column.column} = ${number + 2} RETURNING 1",
        *key,
        new,
        old,
    )
    return row is not None


def _where(column: SealedColumn) -> str:
    return " AND ".join(f"{key}::text = ${number}" for number, key in enumerate(column.keys, 1))
