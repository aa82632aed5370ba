"""A Deployment on this machine: its files, settings, requirements and Environment. Nothing here starts an author's process."""

from __future__ import annotations
