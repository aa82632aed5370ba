"""Routes of the HTTP API, one module per noun. Bodies are in `web.wire`; shared parts are in `web.server`."""

from __future__ import annotations
