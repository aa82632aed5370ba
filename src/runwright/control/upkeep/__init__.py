"""What keeps an installation in order: pruning, disk quota, backup, key rotation. It works for no single project."""

from __future__ import annotations
