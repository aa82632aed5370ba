"""One Attempt on one Runner: its proxy, clock, log, files, questions and failures. `execution.flows` decides what follows."""

from __future__ import annotations
