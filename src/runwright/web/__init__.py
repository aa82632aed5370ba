"""HTTP: the API, the dashboard, what they share, and the app made of them. It decides nothing about Runs; `control` does."""

from __future__ import annotations
