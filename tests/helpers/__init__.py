"""Helpers that tests share: a server and what belongs to it, the command line, people and viewers."""

from __future__ import annotations
