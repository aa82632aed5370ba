"""`IntunedContext`: the facts about the current Attempt, under their Intuned names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from runwright.sdk.context import RunInfo, current


@dataclass(frozen=True, kw_only=True, slots=True)
class IntunedContext:
    """The current Attempt, as Intuned projects see it."""

    run_context: RunInfo
    functions_token: str | None = None
    store: dict[str, Any]

    @classmethod
    def current(cls) -> IntunedContext:
        """The context of the current Attempt.

        Raises:
            LookupError: the code runs outside an Attempt.
        """
        context = current()
        return cls(
            run_context=context.info,
            functions_token=os.environ.get("INTUNED_AUTH_TOKEN"),
            store=context.store,
        )
