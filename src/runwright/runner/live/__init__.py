"""The live view in the Runner: frames out, a person's input in. Who may watch is decided by the server."""

from __future__ import annotations
