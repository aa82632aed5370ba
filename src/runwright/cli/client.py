"""Calls the server on behalf of a command: finds its URL and key, and explains its errors."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runwright import config
from runwright.errors import ConfigError

_TIMEOUT_SECONDS = 90.0
_LOCAL_NAMES = {
    "RUNWRIGHT_SERVER": "url",
    "RUNWRIGHT_WORKSPACE_ID": "workspace_id",
    "RUNWRIGHT_API_KEY": "api_key",
}
"""The name of each variable in connection.json."""


class Refused(Exception):
    """The server refused or is unreachable; the message says which, and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A connection to one workspace of one server."""

    http: Any
    """An `httpx2.Client`; imported in `connect` because the import is slow."""
    base: str

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Make a call and return the response.

        Raises:
            Refused: the server responded with an error, or not at all.
        """
        import httpx2

        try:
            answer = self.http.request(method, f"{self.base}{path}", **options)
        except httpx2.HTTPError as error:
            raise Refused(
                f"cannot reach {self.base.split('/api/')[0]}: {error}. Is `runwright serve` running?"
            ) from error
        if answer.is_error:
            raise Refused(_explain(answer))
        return answer

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Make a call and return the JSON body of the response."""
        return self.call(method, path, **options).json()

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the server-sent events of a path, each as name and data."""
        import httpx2

        try:
            with self.http.stream("GET", f"{self.base}{path}", timeout=None) as answer:
                if answer.is_error:
                    answer.read()
                    raise Refused(_explain(answer))
                name = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield name, json.loads(line.removeprefix("data: "))
        except httpx2.HTTPError as error:
            raise Refused(f"the connection to the server was lost: {error}") from error


def connect(data_dir: Path | None = None) -> Client:
    """Open a connection to the server located by `find`.

    Raises:
        ConfigError: neither the environment nor the data directory says where the server is.
    """
    import httpx2

    found = find(data_dir)
    base = f"{found['RUNWRIGHT_SERVER'].rstrip('/')}/api/v1/workspace/{found['RUNWRIGHT_WORKSPACE_ID']}"
    try:
        http = httpx2.Client(
            headers={"x-api-key": found["RUNWRIGHT_API_KEY"]},
            timeout=_TIMEOUT_SECONDS,
            # A proxy from the environment cannot reach this machine's own loopback.
            trust_env=not _is_loopback(urlsplit(base).hostname or ""),
        )
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"The proxy set in the environment cannot be used: {error}. Set `NO_PROXY={urlsplit(base).hostname}`."
        ) from error
    return Client(http=http, base=base)


def find(data_dir: Path | None = None) -> dict[str, str]:
    """RUNWRIGHT_SERVER, _WORKSPACE_ID and _API_KEY, from the environment or the data directory's connection.json.

    Raises:
        ConfigError: neither says where the server is.
    """
    given = config.server_address()
    missing = {name: key for name, key in _LOCAL_NAMES.items() if not given.get(name)}
    if not missing:
        return given
    file = config.read(data_dir=data_dir).connection_file
    try:
        local = json.loads(file.read_text())
        return given | {name: local[key] for name, key in missing.items()}
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"No server is configured: start `runwright serve` (it writes {file}), or set "
            "`RUNWRIGHT_SERVER`, `RUNWRIGHT_WORKSPACE_ID` and `RUNWRIGHT_API_KEY`."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _explain(answer: Any) -> str:
    try:
        body = answer.json()
        problems: list[dict[str, str]] = body.get("details") or []
        details = "".join(f"\n  {each['path']}: {each['message']}" for each in problems)
        return f"{body['message']}{details} (correlation id {body['correlationId']})"
    except (ValueError, KeyError, TypeError):
        return f"the server responded with status {answer.status_code}: {answer.text[:200]}"
