"""Bundles: which files of a folder belong to one, packing and unpacking."""

from __future__ import annotations
