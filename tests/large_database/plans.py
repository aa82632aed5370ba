"""What a statement reads, from its plan: which tables in full, how many rows, how many blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SETTLED_AFTER = 5
"""So often PostgreSQL plans a prepared statement for its arguments, before it may keep one plan for all."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one execution of a statement read."""

    scanned: frozenset[str]
    """The tables that were read from end to end."""
    rows: int
    """Of the node that read the most, with the rows that its filter dropped."""
    blocks: int
    """Of all nodes, whether they were cached or not."""
    plan: dict[str, Any]


async def read(connection: Any, sql: str, arguments: str) -> list[Reading]:
    """Return what a statement reads the first time and once PostgreSQL has settled on a plan; nothing of it stays.

    `arguments` are SQL expressions, as `EXECUTE` takes them.
    """
    call = f"EXECUTE explained({arguments})" if arguments else "EXECUTE explained"
    await connection.execute(f"PREPARE explained AS {sql}")
    try:
        first = await _executed(connection, call)
        for _ in range(_SETTLED_AFTER - 1):
            await connection.fetch(f"EXPLAIN {call}")
        return [first, await _executed(connection, call)]
    finally:
        await connection.execute("DEALLOCATE explained")


async def _executed(connection: Any, call: str) -> Reading:
    transaction = connection.transaction()
    await transaction.start()
    try:
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {call}")
    finally:
        await transaction.rollback()
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    nodes = list(_nodes(plan))
    return Reading(
        scanned=frozenset(
            node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"
        ),
        rows=max(_rows(node) for node in nodes),
        blocks=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        plan=plan,
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows(node: dict[str, Any]) -> int:
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    return round((node["Actual Rows"] + removed) * node["Actual Loops"])
