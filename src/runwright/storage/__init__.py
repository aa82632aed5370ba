"""Tables: one module per noun, with its statements in `sql`. No decisions are made here."""

from __future__ import annotations
