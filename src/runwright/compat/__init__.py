"""Import names of other platforms, served on top of our SDK."""

from __future__ import annotations
