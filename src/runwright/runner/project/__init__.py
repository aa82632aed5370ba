"""The author's project: imported, inspected, dropped again. Its parameters' types are in `runner.types`."""

from __future__ import annotations
