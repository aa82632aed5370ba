"""The queue on pgqueuer; nothing else imports it."""

from __future__ import annotations
