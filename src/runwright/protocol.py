"""What a Worker and a Runner say to each other: JSON lines over an inherited socket.

Never stdout, which belongs to the author; only log records are written there, after a `LOG_MARK`,
so that they keep their place between what is printed. Standard library only, because this module is
imported in the author's interpreter too. One message a line; its `type` is the snake_case name of
the class. An unknown field is ignored and a missing one takes its default, so a Runner of one
version can talk to a Worker of the next; an incompatible change raises `VERSION`.

The conversation: the Worker sends `Setup`; the Runner answers `Inspected` (mode `inspect`, then it
exits) or `Ready` (mode `run`). Then, again and again: `Start` → `Started`, any number of `Log`,
`ExtendTimeout` and `File` → `Ended` → an `AuthState` where one is to come, `File`s of what is saved
afterwards (the trace, downloads that took longer) → `Ready` when it is as it was found, or `Retiring` and end of file when it is not.
The Worker may send `Cancel` between `Start` and `Ended`. End of file means: die.

Between `Start` and `Ended` too: the Runner's `Ask` stops the Attempt's clock until the Worker's `Answer`
or the Runner's `Withdraw`. While somebody watches, after `Watch`, the Runner sends `Pages` and
`Frame`s, never more than `FRAMES_IN_FLIGHT` of a page that no `FrameTaken` has told of; what is painted
meanwhile is dropped. `Input` is what a person does to the page.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any, get_args

VERSION = 3
"""1: Attempts, logs, files. 2: live view, input, questions, recording. 3: logs by the pipes, states apart."""
LOG_MARK = "\x1e"
"""Before a `Log` that is written between what is printed: ASCII's record separator."""
SOCKET_FD_VARIABLE = "RUNWRIGHT_RUNNER_FD"
DRIVER_STDERR_VARIABLE = "RUNWRIGHT_DRIVER_STDERR"
"""Names a descriptor for what Playwright's driver complains of: Node would have the author's not block."""
RUNNER_ID_VARIABLE = "RUNWRIGHT_RUNNER_ID"
"""Marks a Runner and everything it starts, so that nothing of it is ever left alive."""
MAX_LINE_BYTES = 64 * 1024 * 1024
FRAMES_IN_FLIGHT = 2
MAX_FRAME_LENGTH = 4 * 1024 * 1024
"""A longer frame (base64) is not sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """An outgoing proxy of one Attempt."""

    server: str
    """`http://host:port`, `https://…` or `socks5://…`, without credentials."""
    username: str | None = None
    password: str | None = None
    stands_for: str | None = None
    """The server that the Run was to go through, where this one only leads to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Browser:
    """How a Runner launches its Chromium."""

    executable: str | None = None
    """Path of the binary; None lets Playwright use its own download."""
    headless: bool = True
    is_shell: bool = True
    """The headless shell, or full Chromium in its new headless mode."""
    arguments: tuple[str, ...] = ()
    sandbox: bool = True
    window_width: int = 1280
    window_height: int = 800
    user_agent: str | None = None
    """None: Chrome's own without the word Headless."""
    ignore_https_errors: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """Worker → Runner, first: what you are for."""

    mode: str
    """`run` or `inspect`."""
    project_root: str
    """Absolute path of the unpacked Bundle: first on `sys.path` and the working directory."""
    files_directory: str
    """Absolute path of an empty directory where the Runner puts traces and downloads."""
    browser: Browser = field(default_factory=Browser)
    max_result_bytes: int = 2 * 1024 * 1024
    download_seconds: float = 60.0
    """How long a download may take once the automation has ended."""
    max_memory_bytes: int = 2 * 1024 * 1024 * 1024
    """Above this much resident memory of the whole tree after an Attempt the Runner retires."""
    max_attempts: int = 100
    """After this many Attempts the Runner retires."""
    is_isolated: bool = False
    """One Attempt, then retire: `isolation = "process"`."""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """The project's variables as the process has them already."""
    trace_ahead: bool = True
    """Start tracing on the context that is opened ahead of the first Attempt."""
    apis: tuple[str, ...] = ()
    """Apis to import ahead of need, as `a/b`. In mode `inspect` those to look at; none: all there are."""
    is_native: bool = True
    """Parameters arrive as the type that the function asks for; otherwise always as the dict they are."""
    version: int = VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Worker → Runner: carry out this Attempt."""

    run_id: str
    attempt: int
    api: str
    """Of kind `check` and `create` the file, as `auth-sessions/check`."""
    parameters: dict[str, Any]
    kind: str = "api"
    """`api`, `check`, `create`, or `record`: a person signs in and none of the author's code runs."""
    start_url: str | None = None
    """Of kind `record`: what the page shows first."""
    finish_url: str | None = None
    """Of kind `record`: where the page is once the person is signed in; `*` stands for anything."""
    save_trace: bool = True
    save_har: bool = False
    """Record the Attempt's network."""
    replay_har: str | None = None
    """Path of a recording that answers every request instead of the network."""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """The project's variables as they are for this Attempt."""
    token: dict[str, str] = field(default_factory=dict[str, str])
    """Variables of this Attempt alone, gone when it is over."""
    proxy: Proxy | None = None
    job_id: str | None = None
    job_run_id: str | None = None
    auth_session_id: str | None = None
    auth_state: dict[str, Any] | None = None
    """What the browser begins with: `cookies`, `origins`, `sessionStorage`."""
    parent_run_id: str | None = None
    secrets: tuple[str, ...] = ()
    """What a trace must not show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """Worker → Runner: cancel the author's task; the Worker kills after its grace period."""

    reason: str = "canceled"
    """`timeout`, `canceled` or `draining`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Worker → Runner: what a person answered to an `Ask`."""

    id: str
    text: str | None = None
    """None: nobody did in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Worker → Runner: somebody watches these pages from now on; none: nobody watches any more."""

    pages: tuple[str, ...] = ()
    """Ids as `Pages` gives them; the empty one is whichever is current."""
    max_width: int = 1920
    max_height: int = 1200


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameTaken:
    """Worker → Runner: a frame has reached somebody, and so have those before it."""

    page: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """Worker → Runner: what a person does to a page that is watched."""

    page: str
    """Its id; the empty one is whichever is current."""
    action: str
    """`mouse`, `key`, `text`, `copy`, `choose`, `navigate`, `back`, `forward`, `reload` or `close`."""
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """Runner → Worker: a context and page are open; start an Attempt at any time."""

    pid: int
    python: str
    playwright: str
    browser: str
    """Version of the browser."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspected:
    """Runner → Worker in mode `inspect`: what the project holds, or why it cannot be imported."""

    apis: tuple[dict[str, Any], ...] = ()
    """`{"name": "a/b", "description": str|None, "parameters_schema": {…}|None, "result_schema": {…}|None,
    "remarks": [str, …]}`; remarks are for who deploys."""
    error: str | None = None
    """A traceback, the author's frames first, or a sentence that says which file lacks what."""
    playwright: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """Runner → Worker: the author's function is about to be called."""

    at: float
    """`time.time()`, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """Runner → Worker: one line that the author's code printed or logged."""

    at: float
    stream: str
    """`stdout`, `stderr` or `log`."""
    level: str
    """`debug`, `info`, `warning`, `error`."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtendTimeout:
    """Runner → Worker: set the Attempt's clock back to its full timeout."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Runner → Worker: a person is asked; the Attempt's clock stands still meanwhile."""

    id: str
    question: str
    timeout_seconds: float
    is_secret: bool = False
    """The answer must show neither in the log nor in the trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdraw:
    """Runner → Worker: what was asked needs no answer any more."""

    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """Runner → Worker while somebody watches: the tabs of the Attempt, whenever they change."""

    pages: tuple[dict[str, str], ...]
    """`{"id", "url", "title"}`, oldest first."""
    current: str
    """Id of the tab that was opened last; empty when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Runner → Worker while somebody watches: what a page shows now."""

    page: str
    number: int
    """Counted from 1 over all pages."""
    at: float
    """When it was painted: `time.time()`, seconds."""
    width: int
    """Of the page in its own pixels, which `Input` is in; the picture may be smaller."""
    height: int
    jpeg: str
    """Base64."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """Runner → Worker: the text that a person has copied in the page."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Runner → Worker: what a list holds that a person opens, which no frame shows."""

    options: tuple[dict[str, Any], ...]
    """`{"label": str, "isDisabled": bool, "isChosen": bool}`; `Input` `choose` names one by its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """Runner → Worker: a file lies ready in `files_directory`; the Worker moves it away."""

    kind: str
    """`trace`, `har`, `download` or `file`."""
    name: str
    """As a person would call it; no path."""
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """Why an Attempt did not give a result."""

    code: str
    category: str
    message: str
    retryable: bool = True
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """Runner → Worker: the author's function is over."""

    result: str | None = None
    """ASCII-escaped JSON; None when `failure` is set or the task ended by being cancelled."""
    extended_payloads: tuple[dict[str, Any], ...] = ()
    failure: Failed | None = None
    was_cancelled: bool = False
    """The Worker's `Cancel` had come before the author's function was over."""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    auth_state: dict[str, Any] | None = None
    """Of kind `create` and `record`: the state that the browser has ended with."""
    is_state_to_come: bool = False
    """An `AuthState` follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthState:
    """Runner → Worker after `Ended`: the state that the browser of a session has ended with."""

    auth_state: dict[str, Any] | None = None
    """None: it is what it began with, or could not be taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retiring:
    """Runner → Worker: not fit for another Attempt; about to exit."""

    reasons: tuple[str, ...]


Message = (
    Setup
    | Start
    | Cancel
    | Answer
    | Watch
    | FrameTaken
    | Input
    | Ready
    | Inspected
    | Started
    | Log
    | ExtendTimeout
    | Ask
    | Withdraw
    | Pages
    | Frame
    | Copied
    | Choices
    | File
    | Ended
    | AuthState
    | Retiring
)


class ProtocolError(Exception):
    """The other side said something that is no message of this protocol."""


def encode(message: Message) -> bytes:
    """Return the message as one line, newline included."""
    body = {"type": _snake(type(message).__name__), **dataclasses.asdict(message)}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Parse one line.

    Raises:
        ProtocolError: the line is no JSON object of a known type with its required fields.
    """
    try:
        body = json.loads(line)
        kind = _KINDS[body.pop("type")]
        return _build(kind, body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"not a message of protocol {VERSION}: {line[:200]!r}") from error


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_KINDS: dict[str, Any] = {_snake(kind.__name__): kind for kind in get_args(Message)}
_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "dict": (dict,),
    "tuple": (list,),
    "list": (list,),
    "None": (type(None),),
    "Any": (object,),
}
"""What JSON has for a type; a message within a message is an object."""
_NESTED: dict[tuple[str, str], Any] = {
    ("Setup", "browser"): Browser,
    ("Start", "proxy"): Proxy,
    ("Ended", "failure"): Failed,
}


def _check(value: object, annotation: str) -> None:
    """Raise TypeError unless the value is of a field's type, as JSON has it: the other side may be anyone."""
    types = _types(annotation)
    is_wrong_bool = isinstance(value, bool) and bool not in types and object not in types
    if is_wrong_bool or not isinstance(value, types):
        raise TypeError(f"not a {annotation}")


@functools.cache
def _types(annotation: str) -> tuple[type, ...]:
    names = (part.split("[")[0] for part in annotation.split(" | "))
    return tuple(kind for name in names for kind in _PLAIN.get(name, (dict,)))


def _build(kind: Any, body: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        if item.name not in body:
            continue
        value = body[item.name]
        _check(value, str(item.type))
        nested = _NESTED.get((kind.__name__, item.name))
        if nested is not None and value is not None:
            value = _build(nested, value)
        elif isinstance(value, list) and str(item.type).startswith("tuple"):
            value = tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        values[item.name] = value
    return kind(**values)
