"""What callers, Workers and the clock may do, each a transaction. It knows no HTTP and starts no process."""

from __future__ import annotations
