"""JSON Schemas and conversion of typed parameters. It imports no project."""

from __future__ import annotations
