"""Blobs on disk or in a bucket, and objects in callers' buckets. Which blob belongs to what is `control`'s."""

from __future__ import annotations
