"""The embedded PostgreSQL: its programs, clusters, users, dumps. Tables and statements are the modules beside this folder."""

from __future__ import annotations
