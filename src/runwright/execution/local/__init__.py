"""Automations on this machine without a server, for `runwright dev`. The same Runner, with nothing stored."""

from __future__ import annotations
