"""The SQLSTATE decides what a database error means, for every class that PostgreSQL has."""

from __future__ import annotations

import errno
from typing import Any

import asyncpg
import pytest
from asyncpg import exceptions

from runwright import db_errors

_WAITED_FOR = {"08", "40", "53", "57", "58"}
_TOLD_AT_ONCE = {
    "02", "03", "0A", "09", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25", "26", "27", "28",
    "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "42", "44", "54", "55", "72", "F0", "HV", "P0", "XX",
}  # fmt: skip
_EXCEPTIONS = {"25006", "25P03", "55P03"}


def _errors() -> list[Any]:
    found: list[Any] = [getattr(exceptions, name) for name in exceptions.__all__]
    return [
        each
        for each in found
        if issubclass(each, asyncpg.PostgresError) and getattr(each, "sqlstate", None)
    ]


def test_every_error_of_the_database_is_waited_for_or_told() -> None:
    classes = {str(error.sqlstate)[:2] for error in _errors()} - {"00", "01"}

    assert classes <= _WAITED_FOR | _TOLD_AT_ONCE
    for error in _errors():
        state = str(error.sqlstate)
        is_waited_for = state[:2] in _WAITED_FOR or state in _EXCEPTIONS
        is_waited_for |= error is asyncpg.InvalidCachedStatementError
        assert db_errors.is_to_wait_for(error("x")) is is_waited_for, error


@pytest.mark.parametrize(
    ("error", "is_passing", "is_waited_for", "is_full"),
    [
        (asyncpg.DeadlockDetectedError("x"), True, True, False),
        (asyncpg.SerializationError("x"), True, True, False),
        (asyncpg.QueryCanceledError("x"), True, True, False),
        (asyncpg.ReadOnlySQLTransactionError("x"), True, True, False),
        (asyncpg.IdleInTransactionSessionTimeoutError("x"), True, True, False),
        (asyncpg.TooManyConnectionsError("x"), True, True, False),
        (asyncpg.AdminShutdownError("x"), True, True, False),
        (asyncpg.InterfaceError("x"), True, True, False),
        (asyncpg.InternalClientError("x"), True, True, False),
        (asyncpg.DataError("x"), False, False, False),
        (asyncpg.UniqueViolationError("x"), False, False, False),
        (asyncpg.DiskFullError("x"), False, True, True),
        (asyncpg.OutOfMemoryError("x"), False, True, False),
        (ConnectionResetError("x"), True, True, False),
        (TimeoutError("x"), True, True, False),
        (OSError(errno.ENOSPC, "x"), False, False, True),
        (ValueError("x"), False, False, False),
    ],
)
def test_an_error_passes_is_waited_for_or_means_a_full_disk(
    error: Exception, is_passing: bool, is_waited_for: bool, is_full: bool
) -> None:
    assert db_errors.is_passing(error) is is_passing
    assert db_errors.is_to_wait_for(error) is is_waited_for
    assert db_errors.is_full(error) is is_full
