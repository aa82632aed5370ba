"""The live view on the Worker: frames out, input in. Permission to watch is `control.runs.live`."""

from __future__ import annotations
