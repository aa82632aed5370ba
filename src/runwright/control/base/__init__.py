"""What several capabilities share: the Platform, queues, cursors, plans, admission. Nothing here belongs to a single one."""

from __future__ import annotations
