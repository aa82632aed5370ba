"""The proxy of an Attempt's browser, and the local forwarder it may need."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from urllib.parse import SplitResult, unquote, urlsplit

from runwright import protocol
from runwright.execution.outgoing import socks
from runwright.execution.outgoing.forwarder import Forwarder


class Outgoing:
    """The proxy of an Attempt's browser, open until the browser loads nothing more."""

    def __init__(self, url: str | None, warn: Callable[[str], None]) -> None:
        """Use the proxy at the URL, if any; `warn` is told why it refuses a connection."""
        self._url = url
        self._warn = warn
        self._forwarder: Forwarder | None = None

    async def open(self) -> protocol.Proxy | None:
        """Return the proxy for the browser, starting a forwarder if Chromium cannot use the proxy directly."""
        if self._url is None:
            return None
        parts = urlsplit(self._url)
        scheme = parts.scheme.removesuffix("h") if parts.scheme == "socks5h" else parts.scheme
        port = f":{parts.port}" if parts.port else ""
        server = f"{scheme}://{_host(parts)}{port}"
        username, password = (
            None if each is None else unquote(each) for each in (parts.username, parts.password)
        )
        if scheme != "socks5" or not (username or password):
            return protocol.Proxy(server=server, username=username, password=password)
        behind = socks.Proxy(
            host=parts.hostname or "",
            port=parts.port or socks.DEFAULT_PORT,
            username=username or "",
            password=password or "",
        )
        self._forwarder = forwarder = Forwarder(behind, self._warn)
        return protocol.Proxy(
            server=await forwarder.open(),
            username=forwarder.username,
            password=forwarder.password,
            stands_for=server,
        )

    async def close(self) -> None:
        """Stop the forwarder, if any."""
        if self._forwarder is not None:
            await self._forwarder.close()


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if ":" in host:
        return f"[{host}]"
    with contextlib.suppress(UnicodeError):
        # A browser does not convert host names of non-HTTP URLs to IDNA itself.
        return host.encode("idna").decode()
    return host
