"""What several capabilities share: the Platform, queues, cursors, plans, admission. Nothing here belongs to one of them."""

from __future__ import annotations
