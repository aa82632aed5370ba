"""The wire's spellings, confined to this folder: bodies are parsed into values, values are made into bodies.

Requests are pydantic models, which validate; responses are TypedDicts, enforced by the type checker and
shown in the OpenAPI document.
"""

from __future__ import annotations
