"""Bundles: which files of a folder belong to one, and unpacking. `execution.deployments` reads what is in them."""

from __future__ import annotations
