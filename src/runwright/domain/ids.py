"""Identifiers: what they are made of, and how new ones are made."""

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

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_RUN_ID_LENGTH = 21
_KEY_ID_LENGTH = 12


def new_run_id() -> RunId:
    """Return a random nanoid, the wire's form of a Run's id."""
    return RunId(_random_text(_RUN_ID_LENGTH))


def new_job_run_id() -> JobRunId:
    """Return a random nanoid."""
    return JobRunId(_random_text(_RUN_ID_LENGTH))


def new_auth_session_id() -> str:
    """Return a random nanoid, for a session that its maker gives no name."""
    return _random_text(_RUN_ID_LENGTH)


def new_key_id() -> KeyId:
    """Return a short random name of an API key, which is no secret."""
    return KeyId(_random_text(_KEY_ID_LENGTH))


def new_delivery_id() -> DeliveryId:
    """Return a random id in the form that receivers of signed webhooks know."""
    return DeliveryId(f"msg_{_random_text(_RUN_ID_LENGTH)}")


def _random_text(length: int) -> str:
    """Return random characters, of which the first is no hyphen: commands take that for an option."""
    first = secrets.choice(_ALPHABET.removesuffix("-"))
    return first + "".join(_ALPHABET[byte & 63] for byte in secrets.token_bytes(length - 1))
