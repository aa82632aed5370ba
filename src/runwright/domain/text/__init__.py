"""Text from outside: JSON, URLs, proxies, `Retry-After`. Pure, and about no noun of ours."""

from __future__ import annotations
