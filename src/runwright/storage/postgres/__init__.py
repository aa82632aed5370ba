"""The embedded PostgreSQL: programs, clusters, users, dumps. Tables and statements are in the parent package."""

from __future__ import annotations
