"""The live view on the Worker: frames out, input in. `control.runs.live` decides who may watch."""

from __future__ import annotations
