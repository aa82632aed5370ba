"""A Deployment on this machine: its files, settings, requirements and Environment. Nothing here runs the author's code."""

from __future__ import annotations
