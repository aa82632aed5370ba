"""Requests to language models: what is allowed, what is counted, and what it costs. Pure."""

from __future__ import annotations
