"""The live view in the Runner: frames out, a person's input in. The server decides who may watch."""

from __future__ import annotations
