"""The way out of an Attempt's browser: its proxy, and what stands in front of it. What a proxy's URL may be is `domain.text`."""

from __future__ import annotations
