"""`IntunedContext`: the facts about the current Attempt under the names of that format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from runwright.sdk.context import RunInfo, current


@dataclass(frozen=True, kw_only=True, slots=True)
class IntunedContext:
    """The current Attempt as code of that format sees it."""

    run_context: RunInfo
    functions_token: str | None = None
    store: dict[str, Any]

    @classmethod
    def current(cls) -> IntunedContext:
        """Return the context of the current Attempt.

        Raises:
            LookupError: there is none.
        """
        context = current()
        return cls(
            run_context=context.info,
            functions_token=os.environ.get("INTUNED_AUTH_TOKEN"),
            store=context.store,
        )
