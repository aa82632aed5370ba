"""The icons as inline SVG, 16 units square, in the color of the text."""

from __future__ import annotations

from markupsafe import Markup

_SHAPES = {
    "completed": '<circle cx="8" cy="8" r="6.5"/><path d="M5 8.2l2.1 2.1L11 6.2"/>',
    "failed": '<path d="M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z"/><path d="M6 6l4 4M10 6l-4 4"/>',
    "canceled": '<circle cx="8" cy="8" r="6.5"/><path d="M3.6 12.4l8.8-8.8"/>',
    "started": '<circle cx="8" cy="8" r="6.5"/><path d="M6.5 5.3v5.4L11 8z" fill="currentColor"/>',
    "pending": '<circle cx="8" cy="8" r="6.5" stroke-dasharray="2.2 2.2"/><path d="M8 4.8V8l2.2 1.4"/>',
    "home": '<path d="M2 7.5L8 2.5l6 5V14H9.8v-3.6H6.2V14H2z"/>',
    "projects": '<path d="M1.8 3.5h4.4l1.4 1.7h6.6V13H1.8z"/>',
    "system": '<rect x="2" y="2.5" width="12" height="4.6" rx="1"/><rect x="2" y="8.9" width="12" height="4.6" rx="1"/><path d="M4.7 4.8h.1M4.7 11.2h.1"/>',
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="M10.4 10.4L14 14"/>',
    "theme": '<circle cx="8" cy="8" r="6"/><path d="M8 2a6 6 0 010 12z" fill="currentColor"/>',
    "out": '<path d="M6.5 2.5h-4v11h4M6.5 8h7M11 5.5L13.5 8 11 10.5"/>',
    "play": '<path d="M4.5 2.8v10.4L13 8z"/>',
    "again": '<path d="M13 8a5 5 0 11-1.5-3.6M13 2v3h-3"/>',
    "stop": '<rect x="3.5" y="3.5" width="9" height="9" rx="1"/>',
    "download": '<path d="M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1"/><path d="M3.5 10.5h-1v-8h8v1"/>',
    "edit": '<path d="M3 10.5L10.8 2.7l2.5 2.5L5.5 13H3z"/>',
    "trace": '<path d="M1.8 3h12.4v10H1.8zM1.8 6h12.4M4.5 3v3M8 3v3M11.5 3v3"/>',
    "right": '<path d="M6 3.5L10.5 8 6 12.5"/>',
    "warning": '<path d="M8 2L14.5 13.5h-13zM8 6.5v3.2M8 11.5v.1"/>',
    "key": '<circle cx="5" cy="11" r="2.7"/><path d="M7 9l6.5-6.5M11 5l2 2"/>',
    "clock": '<circle cx="8" cy="8" r="6.3"/><path d="M8 4.4V8l2.6 1.6"/>',
    "send": '<path d="M1.8 8L14 2.5 10.5 14 7.6 9z"/>',
    "close": '<path d="M4 4l8 8M12 4l-8 8"/>',
    "help": '<circle cx="8" cy="8" r="6.3"/><path d="M6.2 6.2a1.9 1.9 0 113 1.6c-.8.5-1.2.8-1.2 1.6M8 11.5v.1"/>',
    "pause": '<path d="M5.5 3v10M10.5 3v10"/>',
    "eye": '<path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="2"/>',
    "hand": '<path d="M5 9V4.2a1 1 0 012 0V7V2.8a1 1 0 012 0V7V3.6a1 1 0 012 0v5.9a4.5 4.5 0 01-8 2.8L2.6 9.6a1 1 0 011.5-1.3z"/>',
    "left": '<path d="M10 3.5L5.5 8l4.5 4.5"/>',
    "logo": '<path d="M2 13L6.2 3h3.6L14 13M8 5v1.6M8 8.2v1.6M8 11.4V13"/>',
}
_ALIASES = {
    "READY": "completed", "EXPIRED": "failed", "PENDING": "pending", "delivered": "completed",
    "exhausted": "failed", "ready": "completed", "building": "started", "SUCCESS": "completed",
    "FAILURE": "failed", "COMPLETED": "warning", "TERMINATED": "canceled", "CANCELED": "canceled",
    "STARTED": "started", "PAUSING": "pause", "PAUSED": "pause", "RESUMING": "started", "ACTIVE": "completed",
    "waiting": "pending",
}  # fmt: skip


def icon(name: str) -> Markup:
    """An icon; it is hidden from screen readers, so put a label beside it."""
    shape = _SHAPES[_ALIASES.get(name, name)]
    return Markup(  # noqa: S704 - constants of this module
        '<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" '
        'stroke="currentColor" stroke-width="1.4" stroke-linejoin="round" stroke-linecap="round" '
        f'aria-hidden="true">{shape}</svg>'
    )
