"""The command line's shared parts. The commands are in `cli.commands`; the processes they start are in `processes`."""

from __future__ import annotations
