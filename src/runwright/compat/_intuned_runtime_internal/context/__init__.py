"""See the package above."""

from __future__ import annotations
