"""A layer of Runwright; see docs/explanation/architecture.md."""

from __future__ import annotations
