"""Blobs on disk or in a bucket, and objects in callers' buckets."""

from __future__ import annotations
