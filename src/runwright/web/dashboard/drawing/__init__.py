"""Pictures drawn as SVG: charts, timelines, calendars of firings. Pure."""

from __future__ import annotations
