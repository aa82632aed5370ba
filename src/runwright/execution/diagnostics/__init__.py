"""What is wrong with this machine, and what to do about it. Storing the findings is `control.insight`."""

from __future__ import annotations
