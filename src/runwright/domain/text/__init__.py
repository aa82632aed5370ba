"""Text from outside: JSON, URLs, proxies, `Retry-After`. Pure, and independent of our own nouns."""

from __future__ import annotations
