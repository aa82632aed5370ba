"""What an error of the database means: that the same may succeed later, or that it never will. By its SQLSTATE."""

from __future__ import annotations

import errno

import asyncpg

_PASSING_CLASSES = {
    "08",  # the connection
    "40",  # a deadlock, a serialization failure: somebody else had to go first
    "57",  # canceled, or the server is being stopped, started, or moved
}
_PASSING = {
    "25006",  # a standby, which takes no writes: its primary is elsewhere by now
    "25P03",  # the transaction was idle for too long
    "53300",  # too many connections
    "55P03",  # a lock was not free in time
}
_NO_ROOM_CLASSES = {
    "53",  # no disk, no memory
    "58",  # the server's own disk fails
}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_passing(error: BaseException) -> bool:
    """Return whether the database was away, or busy with what stood in the way: the same may succeed soon."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        # The schema changed in the middle of a transaction.
        return True
    if isinstance(error, asyncpg.PostgresError):
        state = _state(error)
        return state in _PASSING or state[:2] in _PASSING_CLASSES
    if isinstance(error, OSError):
        return error.errno not in _FULL
    if isinstance(error, asyncpg.DataError):
        # It is an InterfaceError too, but what it says is that an argument is wrong.
        return False
    # What is asked of a connection that is just dying, in the middle of something else, is an internal error.
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError)


def is_to_wait_for(error: BaseException) -> bool:
    """Return the same, or whether there is no room just now on the database's disk or in its memory."""
    has_no_room = isinstance(error, asyncpg.PostgresError) and _state(error)[:2] in _NO_ROOM_CLASSES
    return has_no_room or is_passing(error)


def is_removal(error: BaseException) -> bool:
    """Return whether what was to be added belongs to something that has been removed just now."""
    return isinstance(error, asyncpg.ForeignKeyViolationError)


def is_full(error: BaseException) -> bool:
    """Return whether a disk is full, the database's or ours."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, asyncpg.DiskFullError)


def _state(error: asyncpg.PostgresError) -> str:
    return getattr(error, "sqlstate", None) or ""
