"""Providers of language models: asking them, and what may be shown of their answers."""

from __future__ import annotations
