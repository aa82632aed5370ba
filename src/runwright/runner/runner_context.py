"""What every Attempt on a Runner shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runwright import protocol
from runwright.runner.browser.browser import Chromium
from runwright.runner.channel import Send
from runwright.runner.project.loader import Project
from runwright.runner.questions import Questions


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What every Attempt on this Runner shares."""

    setup: protocol.Setup
    project: Project
    chromium: Chromium
    send: Send
    flush_output: Callable[[], None]
    questions: Questions
