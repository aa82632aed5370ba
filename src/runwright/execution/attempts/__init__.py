"""One Attempt on one Runner: its proxy, clock, log, files, questions and failures. What follows from it is `execution.flows`."""

from __future__ import annotations
