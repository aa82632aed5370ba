"""The internal names of `intuned_runtime` that its browser package imports."""

from __future__ import annotations
