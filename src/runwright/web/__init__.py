"""HTTP: the API, the dashboard, their shared parts, and the app that joins them. Decisions about Runs are made in `control`."""

from __future__ import annotations
