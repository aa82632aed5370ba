"""The live view in the Runner: frames out, a person's input in."""

from __future__ import annotations
