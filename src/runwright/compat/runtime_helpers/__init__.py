"""The old import name of `intuned_runtime`."""

from __future__ import annotations

import warnings

from runwright.compat.intuned_runtime import *  # noqa: F403

warnings.warn(
    "`runtime_helpers` is deprecated: import from `intuned_runtime`",
    DeprecationWarning,
    stacklevel=2,
)
