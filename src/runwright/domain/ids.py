"""Identifiers: their types, and how new ones are generated."""

from __future__ import annotations

import secrets
from typing import NewType
from uuid import UUID

WorkspaceId = NewType("WorkspaceId", UUID)
ProjectId = NewType("ProjectId", UUID)
DeploymentId = NewType("DeploymentId", UUID)
WorkerId = NewType("WorkerId", UUID)
RunId = NewType("RunId", str)
"""A nanoid of 21 characters."""
KeyId = NewType("KeyId", str)
DeliveryId = NewType("DeliveryId", str)
"""`msg_` and a nanoid."""

JobRunId = NewType("JobRunId", str)
"""A nanoid of 21 characters."""

LARGEST_ROW_ID = 2**63 - 1
"""The largest ID of a row that the database numbers, such as a log line or file."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_RUN_ID_LENGTH = 21
_KEY_ID_LENGTH = 12


def new_run_id() -> RunId:
    """Generate a random nanoid, the form of a Run's ID on the wire."""
    return RunId(_random_text(_RUN_ID_LENGTH))


def new_job_run_id() -> JobRunId:
    """Generate a random nanoid."""
    return JobRunId(_random_text(_RUN_ID_LENGTH))


def new_auth_session_id() -> str:
    """Generate a random nanoid, for a session created without a name."""
    return _random_text(_RUN_ID_LENGTH)


def new_key_id() -> KeyId:
    """Generate a short random ID for an API key; it is not secret."""
    return KeyId(_random_text(_KEY_ID_LENGTH))


def new_delivery_id() -> DeliveryId:
    """Generate a random ID in the form that receivers of signed webhooks expect."""
    return DeliveryId(f"msg_{_random_text(_RUN_ID_LENGTH)}")


def _random_text(length: int) -> str:
    """Random characters; the first is never a hyphen, which a command would read as an option."""
    first = secrets.choice(_ALPHABET.removesuffix("-"))
    return first + "".join(_ALPHABET[byte & 63] for byte in secrets.token_bytes(length - 1))
