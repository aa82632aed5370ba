"""What the nouns are and what follows from what, as values and pure functions. No I/O."""

from __future__ import annotations
