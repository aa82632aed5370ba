"""The Runner's Chromium: context, page, downloads, traces, signed-in state. It knows no Attempt."""

from __future__ import annotations
