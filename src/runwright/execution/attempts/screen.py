"""The Screen of a Run that this Worker holds: its Runner's frames, sent to every Viewer.

Viewers never wait for each other: each takes the newest frame when it is ready for one, and the Runner
paints only as fast as the fastest Viewer takes them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from runwright import protocol
from runwright.domain.questions import Question
from runwright.execution.runners.runner_process import RunnerProcess

_HEAD = struct.Struct(">IHHd")
"""The header of a frame sent to Viewers: number, width, height, paint time; the JPEG follows."""
_ANSWERS_KEPT = 4
_MAX_WAITING = 200
_ids = itertools.count(1)

Say = Callable[[str], None]


class Viewer:
    """Someone watching; keeps the newest of everything until their connection takes it."""

    def __init__(self, *, name: str, can_control: bool) -> None:
        self.id = next(_ids)
        self.name = name
        self.can_control = can_control
        self.page = ""
        """Id of the tab they watch; the empty string is whichever tab is current."""
        self.frame: protocol.Frame | None = None
        self.in_flight: list[int] = []
        self.is_state_new = True
        self.is_pinged = False
        """They have sent a ping that is not answered yet."""
        self.answers: deque[dict[str, Any]] = deque(maxlen=_ANSWERS_KEPT)
        self.changed = asyncio.Event()

    def offer(self, frame: protocol.Frame) -> None:
        """Replace the waiting frame with a newer one."""
        self.frame = frame
        self.changed.set()

    def ping(self) -> None:
        """Note that they wait for an answer to a ping."""
        self.is_pinged = True
        self.changed.set()

    def take_frame(self) -> protocol.Frame | None:
        """Return the waiting frame, if this Viewer is ready for one."""
        if self.frame is None or len(self.in_flight) >= protocol.FRAMES_IN_FLIGHT:
            return None
        frame, self.frame = self.frame, None
        self.in_flight.append(frame.number)
        return frame

    def has_shown(self, number: int) -> None:
        """Note that they have been shown this frame and all before it."""
        self.in_flight = [each for each in self.in_flight if each > number]
        self.changed.set()


class Screen:
    """One Run as Viewers see it, through all its Attempts, checks and creates."""

    def __init__(self) -> None:
        self._viewers: dict[int, Viewer] = {}
        self._runner: RunnerProcess | None = None
        self._say: Say | None = None
        self._pages = protocol.Pages(pages=(), current="")
        self._frames: dict[str, protocol.Frame] = {}
        self._controller: Viewer | None = None
        self._question: Question | None = None
        self._asks_until = 0.0
        self._sending: set[asyncio.Task[None]] = set()
        self.is_watched = asyncio.Event()
        self.is_over = asyncio.Event()
        """Set when this Worker no longer holds the Run."""

    def attach(self, runner: RunnerProcess, say: Say) -> None:
        """Show this Runner from now on; `say` writes to the Run's log."""
        self._runner, self._say = runner, say
        runner.hear_live(self._take)
        if self._viewers:
            self._ask_for_pages()
        self._tell()

    def detach(self) -> None:
        """Show nothing until the next Runner is attached."""
        if self._runner is not None:
            self._runner.hear_live(None)
        self._runner = self._say = self._question = None
        self._pages = protocol.Pages(pages=(), current="")
        self._frames.clear()
        for viewer in self._viewers.values():
            viewer.frame, viewer.page = None, ""
        self._tell()

    def set_question(self, question: Question | None, until: float = 0.0) -> None:
        """Show the Question asked until a time of the event loop; None shows that nothing is asked."""
        self._question, self._asks_until = question, until
        self._tell()

    def close(self) -> None:
        """Tell all Viewers that this Worker no longer holds the Run."""
        self.detach()
        self.is_over.set()

    def add(self, viewer: Viewer) -> None:
        """Add a Viewer."""
        self._viewers[viewer.id] = viewer
        self.is_watched.set()
        self._ask_for_pages()
        self._show_last(viewer)
        self._tell()

    def remove(self, viewer: Viewer) -> None:
        """Remove a Viewer, and release the controls if they have them."""
        del self._viewers[viewer.id]
        self.release(viewer)
        if not self._viewers:
            self.is_watched.clear()
            self._frames.clear()
        self._ask_for_pages()
        if viewer.frame is not None or viewer.in_flight:
            self._acknowledge()
        self._tell()

    def choose(self, viewer: Viewer, page: str) -> None:
        """Show a Viewer another tab; the current one if it does not exist."""
        viewer.page = page if page in {each["id"] for each in self._pages.pages} else ""
        viewer.frame = None
        self._ask_for_pages()
        self._show_last(viewer)
        self._tell()

    def take_control(self, viewer: Viewer) -> None:
        """Give the controls to a Viewer who may have them, even if someone else has them now."""
        if viewer.can_control and self._controller is not viewer:
            self._controller = viewer
            self._note(f"{viewer.name} took control of the browser in the live view")
            self._tell()

    def release(self, viewer: Viewer) -> None:
        """Take the controls back, if this Viewer has them."""
        if self._controller is viewer:
            self._controller = None
            self._note(f"{viewer.name} gave up control of the browser")
            self._tell()

    def act(self, viewer: Viewer, action: str, details: dict[str, Any]) -> None:
        """Pass the controlling Viewer's input to the page; input from others is dropped."""
        if self._controller is viewer and viewer.can_control:
            page = self._page_of(viewer)
            self._send(protocol.Input(page=page, action=action, details=details))

    def taken(self, frame: protocol.Frame) -> None:
        """Tell the Runner that a frame has been taken, so that the next one may be painted."""
        self._send(protocol.FrameTaken(page=frame.page, number=frame.number))

    def state(self, viewer: Viewer) -> dict[str, Any]:
        """What a Viewer is shown beside the picture."""
        controller = self._controller
        return {
            "type": "state",
            "isRunning": self._runner is not None,
            "pages": list(self._pages.pages),
            "current": self._pages.current,
            "watching": self._page_of(viewer),
            "isFollowing": not viewer.page,
            "canControl": viewer.can_control,
            "hasControl": controller is viewer,
            "controller": None if controller is None else controller.name,
            "viewers": len(self._viewers),
            "question": None
            if self._question is None
            else _question(self._question, self._asks_until),
        }

    def _take(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Frame):
            self._take_frame(message)
        elif isinstance(message, protocol.Pages):
            self._take_pages(message)
        elif isinstance(message, protocol.Copied):
            self._answer({"type": "copied", "text": message.text})
        elif isinstance(message, protocol.Choices):
            self._answer({"type": "choices", "options": list(message.options)})

    def _answer(self, body: dict[str, Any]) -> None:
        """Send what was requested from the page to the Viewer with the controls."""
        if self._controller is not None:
            self._controller.answers.append(body)
            self._controller.changed.set()

    def _take_frame(self, frame: protocol.Frame) -> None:
        self._frames[frame.page] = frame
        wanting = [each for each in self._viewers.values() if self._is_wanted(each, frame)]
        for viewer in wanting:
            viewer.offer(frame)
        if not wanting:
            self.taken(frame)

    def _take_pages(self, pages: protocol.Pages) -> None:
        watched = {viewer: self._page_of(viewer) for viewer in self._viewers.values()}
        self._pages = pages
        known = {each["id"] for each in pages.pages}
        for page in self._frames.keys() - known:
            del self._frames[page]
        for viewer, before in watched.items():
            if viewer.page not in known:
                viewer.page = ""
            if self._page_of(viewer) != before:
                # The page may have been painted before it was reported, and never again since.
                self._show_last(viewer)
        self._tell()

    def _is_wanted(self, viewer: Viewer, frame: protocol.Frame) -> bool:
        return frame.page == self._page_of(viewer)

    def _page_of(self, viewer: Viewer) -> str:
        return viewer.page or self._pages.current

    def _show_last(self, viewer: Viewer) -> None:
        frame = self._frames.get(self._page_of(viewer))
        if frame is not None:
            viewer.offer(frame)

    def _acknowledge(self) -> None:
        """Unblock a Runner that waits for a Viewer who is gone."""
        for frame in self._frames.values():
            self.taken(frame)

    def _ask_for_pages(self) -> None:
        pages = tuple(sorted({viewer.page for viewer in self._viewers.values()}))
        self._send(protocol.Watch(pages=pages))

    def _note(self, text: str) -> None:
        if self._say is not None:
            self._say(text)

    def _tell(self) -> None:
        for viewer in self._viewers.values():
            viewer.is_state_new = True
            viewer.changed.set()

    def _send(self, message: protocol.Message) -> None:
        if self._runner is None:
            return
        if isinstance(message, protocol.Input) and len(self._sending) >= _MAX_WAITING:
            # Its event loop is busy with the author's code; further input is dropped.
            return
        task = asyncio.create_task(_send(self._runner, message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def encode(frame: protocol.Frame) -> bytes:
    """A frame as sent to Viewers."""
    head = _HEAD.pack(frame.number & 0xFFFFFFFF, frame.width, frame.height, frame.at)
    return head + base64.b64decode(frame.jpeg)


async def _send(runner: RunnerProcess, message: protocol.Message) -> None:
    # Whoever executes the Attempt notices that the Runner is gone.
    with contextlib.suppress(OSError):
        await runner.send(message)


def _question(question: Question, until: float) -> dict[str, Any]:
    left = until - asyncio.get_running_loop().time()
    return {
        "id": question.id,
        "text": question.text,
        "isSecret": question.is_secret,
        "secondsLeft": max(0, round(left)),
    }
