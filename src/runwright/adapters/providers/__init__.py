"""Language model providers: sending requests, and filtering responses. Limits and costs are in `domain.models`."""

from __future__ import annotations
