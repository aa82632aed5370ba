"""The wire's spellings, here and nowhere else: bodies parsed into values, values made into bodies.

Requests are pydantic models, which check; answers are TypedDicts, which the type checker holds us
to and the OpenAPI document shows.
"""

from __future__ import annotations
