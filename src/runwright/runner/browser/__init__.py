"""The Runner's Chromium: context, page, downloads, traces, signed-in state. It knows nothing of Attempts."""

from __future__ import annotations
