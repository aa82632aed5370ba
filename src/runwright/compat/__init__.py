"""Other platforms' import names, implemented on top of our SDK."""

from __future__ import annotations
