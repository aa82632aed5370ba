"""A database like that of a busy installation, and how statements are planned there."""

from __future__ import annotations
