"""Shared by all pages: templates, routes, forms, formatting, the signed-in user. No page lives here."""

from __future__ import annotations
