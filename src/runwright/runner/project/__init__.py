"""The author's project: imported, inspected, forgotten again. What its parameters are is `runner.types`."""

from __future__ import annotations
