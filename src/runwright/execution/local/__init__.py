"""Automations on this machine without a server, for `runwright dev`."""

from __future__ import annotations
