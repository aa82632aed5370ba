"""Routes of the HTTP API, one module for each noun. Bodies are `web.wire`; what is shared is `web.server`."""

from __future__ import annotations
