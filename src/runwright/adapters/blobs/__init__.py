"""Blobs on disk or in a bucket, and objects in callers' buckets. `control` knows which blob belongs to what."""

from __future__ import annotations
