"""Turns what an automation returns into JSON text, or into the failure that says why not."""

from __future__ import annotations

import json
import math
from typing import Any, cast

from runwright import protocol

_MAX_DEPTH = 200


class Unencodable(Exception):
    """The result cannot be JSON; `failure` says where and why."""

    def __init__(self, failure: protocol.Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


def encode(value: Any, *, max_bytes: int) -> str:
    """Return the value as ASCII-escaped JSON.

    Raises:
        Unencodable: a value inside is of a type JSON has not (named by its path), is not a finite
            number, contains itself, or the whole is larger than `max_bytes`.
    """
    text = json.dumps(
        _plain(value, "result", ()), ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    if len(text) > max_bytes:
        raise Unencodable(
            protocol.Failed(
                code="result-too-big-error",
                category="execution",
                message=f"The result has {len(text)} bytes as JSON; at most {max_bytes} are allowed. "
                "Return less, or save files and return their names.",
                details={"sizeInBytes": len(text), "maxSizeInBytes": max_bytes},
            )
        )
    return text


def _plain(value: Any, path: str, holders: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return _scalar(value, path)
    inside = _enter(value, path, holders)
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value)
        return {
            _key(key, path): _plain(item, f"{path}.{key}", inside) for key, item in items.items()
        }
    if isinstance(value, (list, tuple)):
        entries = cast("list[Any]", value)
        return [_plain(item, f"{path}[{index}]", inside) for index, item in enumerate(entries)]
    return _plain(_dumped(value, path), path, inside)


def _scalar(value: str | float | None, path: str) -> Any:
    """Return the value as exactly what JSON has: an enum of str or int loses its class."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    return int(value) if isinstance(value, int) else _finite(value, path)


def _enter(value: Any, path: str, holders: tuple[int, ...]) -> tuple[int, ...]:
    if id(value) in holders:
        raise _wrong(path, "contains itself")
    if len(holders) > _MAX_DEPTH:
        raise _wrong(path, f"is nested deeper than {_MAX_DEPTH} levels")
    return (*holders, id(value))


def _dumped(value: Any, path: str) -> Any:
    kind = cast("type[Any]", type(value))
    dump = getattr(value, "model_dump", None)
    if callable(dump) and hasattr(kind, "model_fields"):
        return dump(mode="python", by_alias=True)
    raise _wrong(path, f"is a {kind.__name__}, which JSON has not")


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    if isinstance(key, (int, float)):
        return str(key)
    raise _wrong(path, f"has a key of type {type(key).__name__}, which JSON has not")


def _finite(value: float, path: str) -> float:
    if math.isfinite(value):
        return float(value)
    raise Unencodable(
        protocol.Failed(
            code="script-no-valid-output-received",
            category="execution",
            message=f"`{path}` is {value!r}, which JSON cannot hold.",
            details={"path": path},
        )
    )


def _wrong(path: str, reason: str) -> Unencodable:
    return Unencodable(
        protocol.Failed(
            code="script-execution-exception",
            category="execution",
            message=f"The result cannot be returned: `{path}` {reason}.",
            details={"path": path},
        )
    )
