"""What an automation can ask the platform for: facts about its Run, its AuthSession, the model gateway."""

from __future__ import annotations

import json
import os
from typing import Any

from runwright.sdk.backend import BackendError, address, call, call_now
from runwright.sdk.context import RunInfo, current, is_inspection

_MAX_DEDUP_KEY_LENGTH = 128
_GATEWAY = "intuned-ai-gateway"
_OF_NO_ATTEMPT = ("http://gateway.invalid", "no-attempt")
"""For a module imported by a deploy or a check: good enough to construct a client with."""
_MAX_MESSAGE_LENGTH = 10_000
_MAX_CONTEXT_BYTES = 8192


def run_info() -> RunInfo:
    """The facts about the current Run."""
    return current().info


async def get_auth_session_parameters() -> dict[str, Any]:
    """The parameters that the Run's AuthSession was created with.

    Raises:
        RuntimeError: the Run has no AuthSession, or one that does not keep its parameters.
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
    """The URL and key of the language model gateway, for the calling Attempt.

    The variables `AI_GATEWAY_URL` and `AI_GATEWAY_KEY`, when both are set, select another gateway.

    Raises:
        RuntimeError: no provider is configured, or there is no platform here; the message says what to set.
    """
    url, key = os.environ.get("AI_GATEWAY_URL"), os.environ.get("AI_GATEWAY_KEY")
    if url and key:
        return url, key
    if is_inspection():
        return _OF_NO_ATTEMPT
    token = os.environ.get("INTUNED_AUTH_TOKEN")
    if not token:
        # A module that gets here while preloading is imported again in its Attempt.
        raise RuntimeError(
            "get_ai_gateway_config: there is no gateway outside of a Run. For `runwright dev`, set AI_GATEWAY_URL and "
            "AI_GATEWAY_KEY in `.env`"
        )
    try:
        call_now("GET", _GATEWAY)
        return address(_GATEWAY), token
    except BackendError as error:
        raise RuntimeError(f"get_ai_gateway_config: {error}") from error


def send_message_to_agent(
    *,
    dedup_key: str,
    message: str,
    additional_context: Any = None,
    agent_session_options: Any = None,  # noqa: ARG001
) -> None:
    """Record a message for whoever maintains the automation, once per `dedup_key`.

    It is written to the Run's log. The last two arguments are accepted but not logged.

    Raises:
        ValueError: the key is blank or longer than 128 characters, the message is blank or longer than
            10,000, or the context is not an object of at most 8 KiB as JSON.
    """
    for name, text, longest in (
        ("dedup_key", dedup_key, _MAX_DEDUP_KEY_LENGTH),
        ("message", message, _MAX_MESSAGE_LENGTH),
    ):
        if not isinstance(text, str) or not text.strip() or len(text) > longest:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"`{name}` must be a string of 1 to {longest} characters, not blank: {text!r:.100}"
            )
    if additional_context is not None and not _is_object(additional_context):
        raise ValueError(
            f"`additional_context` must be an object of at most {_MAX_CONTEXT_BYTES} bytes of JSON"
        )
    context = current()
    if dedup_key not in context.messages:
        context.messages.add(dedup_key)
        print(f"message ({dedup_key}): {message}")  # noqa: T201 - stdout is the Run's log


def _is_object(value: Any) -> bool:
    try:
        return isinstance(value, dict) and len(json.dumps(value).encode()) <= _MAX_CONTEXT_BYTES
    except (TypeError, ValueError):
        return False
