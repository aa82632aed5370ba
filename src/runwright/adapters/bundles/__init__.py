"""Bundles: which files of a folder belong to one, packing and unpacking. What a project says in them is `execution.deployments`."""

from __future__ import annotations
