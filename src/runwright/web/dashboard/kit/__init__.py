"""What every page uses: templates, routes, forms, formatting, who is signed in. No page lives here."""

from __future__ import annotations
