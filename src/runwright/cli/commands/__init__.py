"""The commands of `runwright`, one module per noun. Their shared parts are in `cli`."""

from __future__ import annotations
