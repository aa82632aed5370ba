"""The author's project: imported, inspected, forgotten again."""

from __future__ import annotations
