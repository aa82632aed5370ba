"""The nouns and the rules between them, as values and pure functions. No I/O."""

from __future__ import annotations
