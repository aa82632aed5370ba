"""Providers of language models: asking them, and what may be shown of their answers. Limits and costs are `domain.models`."""

from __future__ import annotations
