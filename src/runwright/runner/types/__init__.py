"""JSON Schemas and conversion of typed parameters. Imports no project."""

from __future__ import annotations
