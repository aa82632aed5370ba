"""Runs automations on this machine without a server, for `runwright dev`: the same Runner, with nothing stored."""

from __future__ import annotations
