"""Calls from an Attempt to the platform: its server, its project, its own short-lived token."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

_TIMEOUT_SECONDS = 30
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Bypasses any proxy: one in a project's variables is meant for the sites it visits."""


class BackendError(Exception):
    """The platform refused a call or is unreachable; the message says why."""


async def call(method: str, name: str, body: Any = None) -> dict[str, Any]:
    """Make a call such as `kv-store/key` and return the object in the response.

    Raises:
        BackendError: the platform refused the call or is unreachable.
    """
    return await asyncio.to_thread(call_now, method, name, body)


def call_now(method: str, name: str, body: Any = None) -> dict[str, Any]:
    """Make a call, blocking this thread.

    Raises:
        BackendError: the platform refused the call or is unreachable.
    """
    return _call(method, address(name), body)


def address(name: str) -> str:
    """The URL of a call.

    Raises:
        BackendError: the variables that identify the platform are not set.
    """
    try:
        domain = os.environ["FUNCTIONS_DOMAIN"].rstrip("/")
        workspace, project = os.environ["INTUNED_WORKSPACE_ID"], os.environ["INTUNED_PROJECT_ID"]
    except KeyError as error:
        message = f"the platform cannot be called from here: {error} is not set"
        raise BackendError(message) from error
    return f"{domain}/api/{workspace}/functions/{project}/{quote(name)}"


def _call(method: str, url: str, body: Any) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the platform's own address
        url,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "authorization": f"Bearer {os.environ.get('INTUNED_AUTH_TOKEN', '')}",
            "content-type": "application/json",
        },
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            raise BackendError(_reason(error)) from error
    except OSError as error:
        raise BackendError(f"the platform is unreachable: {error}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["message"])
    except (ValueError, KeyError, TypeError):
        return f"the platform responded with status {error.code}"
