"""What a Worker does for each kind of queue entry, and beside them. Each flow calls `control` for every change of state."""

from __future__ import annotations
