"""What a page module registers, in one value: its routes and the links that lead to them."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link in the navigation, which the jump dialog and the keyboard follow too."""

    label: str
    path: str
    """Its last path segment; empty for the start page."""
    key: str = ""
    """Follows the link when pressed after `g`; empty for none."""
    icon: str = ""
    """Shown in the main navigation; tabs have none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The routes of a module, and where people find its pages."""

    routes: APIRouter
    link: Link | None = None
    """In the main navigation."""
    tab: Link | None = None
    """On every project."""
