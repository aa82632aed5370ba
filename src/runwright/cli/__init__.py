"""The command line: what its commands share. The commands are `cli.commands`; the processes that they start are `processes`."""

from __future__ import annotations
