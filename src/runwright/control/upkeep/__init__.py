"""Maintenance of an installation: pruning, disk quota, backup, key rotation. None of it is specific to a project."""

from __future__ import annotations
