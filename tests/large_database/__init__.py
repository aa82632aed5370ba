"""A database as a busy installation has it, and how its statements are planned there."""

from __future__ import annotations
