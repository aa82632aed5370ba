"""Runs from acceptance to their end: claims, Attempts, questions, live view, model calls. JobRuns are `control.jobs`."""

from __future__ import annotations
