"""What an automation may ask of the platform: facts about its Run, its session, its operator's gateway."""

from __future__ import annotations

import os
from typing import Any

from runwright.sdk.backend import BackendError, call
from runwright.sdk.context import RunInfo, current

_MAX_MESSAGE_LENGTH = 10_000


def run_info() -> RunInfo:
    """Return the facts about the current Run."""
    return current().info


async def get_auth_session_parameters() -> dict[str, Any]:
    """Return the parameters that the Run's session was created with.

    Raises:
        RuntimeError: the Run has no session, or one that keeps no parameters.
    """
    session = current().info.auth_session_id
    if session is None:
        raise RuntimeError("get_auth_session_parameters: this run has no auth session")
    try:
        answer = await call("GET", f"auth-session/{session}/parameters")
    except BackendError as error:
        raise RuntimeError(f"get_auth_session_parameters: {error}") from error
    return answer.get("parameters") or {}


def get_ai_gateway_config() -> tuple[str, str]:
    """Return address and key of the language-model gateway that the operator configured.

    Raises:
        RuntimeError: there is none: set the project's variables `AI_GATEWAY_URL` and `AI_GATEWAY_KEY`.
    """
    url, key = os.environ.get("AI_GATEWAY_URL"), os.environ.get("AI_GATEWAY_KEY")
    if not url or not key:
        raise RuntimeError(
            "no gateway is configured: set the variables `AI_GATEWAY_URL` and `AI_GATEWAY_KEY`"
        )
    return url, key


def send_message_to_agent(
    *,
    dedup_key: str,
    message: str,
    additional_context: Any = None,  # noqa: ARG001
    agent_session_options: Any = None,  # noqa: ARG001
) -> None:
    """Record a message for whoever looks after the automation; one for each `dedup_key`.

    It is written to the Run's log. The last two are accepted and kept out of it.

    Raises:
        ValueError: the key or the message is empty, or the message has more than 10,000 characters.
    """
    if not dedup_key or not message or len(message) > _MAX_MESSAGE_LENGTH:
        raise ValueError(
            f"`dedup_key` and `message` must not be empty, nor the message longer than {_MAX_MESSAGE_LENGTH}"
        )
    context = current()
    if dedup_key not in context.messages:
        context.messages.add(dedup_key)
        print(f"message ({dedup_key}): {message}")  # noqa: T201 - the log is where it goes
