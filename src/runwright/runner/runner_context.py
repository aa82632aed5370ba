"""The context that all Attempts of a Runner share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runwright import protocol
from runwright.runner.browser.browser import Chromium
from runwright.runner.channel import Send
from runwright.runner.project.loader import Project
from runwright.runner.questions import Questions


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerContext:
    """Everything the Attempts of this Runner share."""

    setup: protocol.Setup
    project: Project
    chromium: Chromium
    send: Send
    flush_output: Callable[[], None]
    questions: Questions
