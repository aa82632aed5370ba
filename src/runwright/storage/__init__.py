"""Tables: one module for each noun, its statements in `sql`. It decides nothing."""

from __future__ import annotations
