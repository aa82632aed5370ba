"""Which database errors are worth retrying, by SQLSTATE: the same may succeed later, or never will."""

from __future__ import annotations

import errno

import asyncpg

_PASSING_CLASSES = {
    "08",  # the connection
    "40",  # a deadlock or serialization failure: another transaction had to go first
    "57",  # canceled, or the server is stopping, starting, or failing over
}
_PASSING = {
    "25006",  # a standby, which takes no writes: the primary is elsewhere by now
    "25P03",  # the transaction idled for too long
    "53300",  # too many connections
    "55P03",  # a lock was not available in time
}
_NO_ROOM_CLASSES = {
    "53",  # out of disk or memory
    "58",  # I/O errors on the server's own disk
}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_passing(error: BaseException) -> bool:
    """True for a transient error: the database was away or busy, and the same may soon succeed."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        # The schema changed in the middle of a transaction.
        return True
    if isinstance(error, asyncpg.PostgresError):
        state = _state(error)
        return state in _PASSING or state[:2] in _PASSING_CLASSES
    if isinstance(error, OSError):
        return error.errno not in _FULL
    if isinstance(error, asyncpg.DataError):
        # Also an InterfaceError, but it means that an argument is wrong.
        return False
    # A statement sent on a connection that is dying in the middle of another one raises an internal error.
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError)


def is_to_wait_for(error: BaseException) -> bool:
    """True for a transient error, and when the database is out of disk or memory for now."""
    has_no_room = isinstance(error, asyncpg.PostgresError) and _state(error)[:2] in _NO_ROOM_CLASSES
    return has_no_room or is_passing(error)


def is_removal(error: BaseException) -> bool:
    """True when the parent of the inserted row has just been removed."""
    return isinstance(error, asyncpg.ForeignKeyViolationError)


def is_full(error: BaseException) -> bool:
    """True when a disk is full, the database's or ours."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, asyncpg.DiskFullError)


def _state(error: asyncpg.PostgresError) -> str:
    return getattr(error, "sqlstate", None) or ""
