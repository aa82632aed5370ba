"""What a Worker and a Runner say to each other: JSON lines over an inherited socket.

Never stdout, which belongs to the author; only log records go there, after a `LOG_MARK`, so that they
keep their place between printed lines. Standard library only, because this module is imported in the
author's interpreter too. One message per line; its `type` is the class name in snake_case. An unknown
field is ignored and a missing one takes its default, so a Runner of one version can talk to a Worker
of the next; an incompatible change increments `VERSION`.

The conversation: the Worker sends `Setup`; the Runner answers `Inspected` (mode `inspect`, then it
exits) or `Ready` (mode `run`). Then, repeatedly: `Start` → `Started`, any number of `Log`,
`ExtendTimeout` and `File` → `Ended` → an `AuthState` where `Ended` announces one, `File`s saved afterwards
(the trace, slow downloads) → `Ready` if the Runner is clean, otherwise `Retiring` and end of file.
The Worker may send `Cancel` between `Start` and `Ended`. End of file means: die.

Also between `Start` and `Ended`: the Runner's `Ask` stops the Attempt's clock until the Worker's `Answer`
or the Runner's `Withdraw`. While someone is watching, after `Watch`, the Runner sends `Pages` and
`Frame`s, with at most `FRAMES_IN_FLIGHT` per page not yet acknowledged by `FrameTaken`; frames painted
beyond that are dropped. `Input` is what a person does to the page.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from dataclasses import dataclass, field
from typing import Any, get_args

VERSION = 3
"""1: Attempts, logs, files. 2: live view, input, questions, recording. 3: logs over the pipes, separate auth states."""
LOG_MARK = "\x1e"
"""Precedes a `Log` written between printed lines: ASCII's record separator."""
SOCKET_FD_VARIABLE = "RUNWRIGHT_RUNNER_FD"
DRIVER_STDERR_VARIABLE = "RUNWRIGHT_DRIVER_STDERR"
"""Names a descriptor for the stderr of Playwright's driver: Node would make the author's non-blocking."""
RUNNER_ID_VARIABLE = "RUNWRIGHT_RUNNER_ID"
"""Marks a Runner and everything it starts, so that none of it ever stays alive."""
MAX_LINE_BYTES = 64 * 1024 * 1024
FRAMES_IN_FLIGHT = 2
MAX_FRAME_LENGTH = 4 * 1024 * 1024
"""A longer frame (base64) is not sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """The outgoing proxy of one Attempt."""

    server: str
    """`http://host:port`, `https://…` or `socks5://…`, without credentials."""
    username: str | None = None
    password: str | None = None
    stands_for: str | None = None
    """The proxy requested for the Run, where this one merely leads to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Browser:
    """How a Runner launches its Chromium."""

    executable: str | None = None
    """Path of the binary; None uses Playwright's own download."""
    headless: bool = True
    is_shell: bool = True
    """True for the headless shell, False for full Chromium in its new headless mode."""
    arguments: tuple[str, ...] = ()
    sandbox: bool = True
    window_width: int = 1280
    window_height: int = 800
    user_agent: str | None = None
    """None: Chrome's own, minus the word Headless."""
    ignore_https_errors: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """Worker → Runner, first: what this Runner is for."""

    mode: str
    """`run` or `inspect`."""
    project_root: str
    """Absolute path of the unpacked Bundle: first on `sys.path`, and the working directory."""
    files_directory: str
    """Absolute path of an empty directory for traces and downloads."""
    browser: Browser = field(default_factory=Browser)
    max_result_bytes: int = 2 * 1024 * 1024
    download_seconds: float = 60.0
    """How long a download may take after the automation has ended."""
    max_memory_bytes: int = 2 * 1024 * 1024 * 1024
    """The Runner retires if its process tree holds more resident memory after an Attempt."""
    max_attempts: int = 100
    """The Runner retires after this many Attempts."""
    is_isolated: bool = False
    """Retire after one Attempt: `isolation = "process"`."""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """The project's variables that the process already has."""
    trace_ahead: bool = True
    """Start tracing on the context opened before the first Attempt."""
    apis: tuple[str, ...] = ()
    """Apis to import ahead of need, as `a/b`. In mode `inspect`, those to inspect; empty: all."""
    is_native: bool = True
    """Convert parameters to the type the function declares; otherwise always pass the dict."""
    version: int = VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Worker → Runner: execute this Attempt."""

    run_id: str
    attempt: int
    api: str
    """For kinds `check` and `create`, the file: `auth-sessions/check`."""
    parameters: dict[str, Any]
    kind: str = "api"
    """`api`, `check`, `create`, or `record`: a person signs in and none of the author's code runs."""
    start_url: str | None = None
    """For kind `record`: the first page shown."""
    finish_url: str | None = None
    """For kind `record`: where the page ends up once the person is signed in; `*` matches anything."""
    save_trace: bool = True
    save_har: bool = False
    """Record the Attempt's network traffic."""
    replay_har: str | None = None
    """Path of a recording that answers every request in place of the network."""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """The project's variables as of this Attempt."""
    token: dict[str, str] = field(default_factory=dict[str, str])
    """Variables for this Attempt only, removed afterwards."""
    proxy: Proxy | None = None
    job_id: str | None = None
    job_run_id: str | None = None
    auth_session_id: str | None = None
    auth_state: dict[str, Any] | None = None
    """The browser's initial state: `cookies`, `origins`, `sessionStorage`."""
    parent_run_id: str | None = None
    secrets: tuple[str, ...] = ()
    """Values that must not appear in a trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """Worker → Runner: cancel the author's task; the Worker kills the Runner after its grace period."""

    reason: str = "canceled"
    """`timeout`, `canceled` or `draining`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Worker → Runner: a person's answer to an `Ask`."""

    id: str
    text: str | None = None
    """None: nobody answered in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Worker → Runner: someone is watching these pages from now on; empty: nobody is watching anymore."""

    pages: tuple[str, ...] = ()
    """Ids from `Pages`; the empty string is whichever page is current."""
    max_width: int = 1920
    max_height: int = 1200


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameTaken:
    """Worker → Runner: a viewer has received this frame and all before it."""

    page: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """Worker → Runner: what a person does to a watched page."""

    page: str
    """Its id; the empty string is whichever page is current."""
    action: str
    """`mouse`, `key`, `text`, `copy`, `choose`, `navigate`, `back`, `forward`, `reload` or `close`."""
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """Runner → Worker: a context and page are open; an Attempt can start at any time."""

    pid: int
    python: str
    playwright: str
    browser: str
    """The browser's version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspected:
    """Runner → Worker in mode `inspect`: what the project contains, or why it cannot be imported."""

    apis: tuple[dict[str, Any], ...] = ()
    """`{"name": "a/b", "description": str|None, "parameters_schema": {…}|None, "result_schema": {…}|None,
    "remarks": [str, …]}`; remarks are for the person who deploys."""
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
    """Runner → Worker: reset the Attempt's clock to its full timeout."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Runner → Worker: a question for a person; the Attempt's clock is stopped meanwhile."""

    id: str
    question: str
    timeout_seconds: float
    is_secret: bool = False
    """The answer must appear neither in the log nor in the trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdraw:
    """Runner → Worker: a question no longer needs an answer."""

    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """Runner → Worker while someone is watching: the Attempt's tabs, whenever they change."""

    pages: tuple[dict[str, str], ...]
    """`{"id", "url", "title"}`, oldest first."""
    current: str
    """Id of the most recently opened tab; empty when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Runner → Worker while someone is watching: what a page shows now."""

    page: str
    number: int
    """Counted from 1 across all pages."""
    at: float
    """When it was painted: `time.time()`, seconds."""
    width: int
    """Of the page in its own pixels, the unit of `Input`; the picture may be smaller."""
    height: int
    jpeg: str
    """Base64."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """Runner → Worker: text that a person copied from the page."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Runner → Worker: the options of a select that a person opens, which no frame shows."""

    options: tuple[dict[str, Any], ...]
    """`{"label": str, "isDisabled": bool, "isChosen": bool}`; `Input` `choose` refers to one by its index."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """Runner → Worker: a file is ready in `files_directory`; the Worker moves it away."""

    kind: str
    """`trace`, `har`, `download` or `file`."""
    name: str
    """A human-readable name without a path."""
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """Why an Attempt produced no result."""

    code: str
    category: str
    message: str
    retryable: bool = True
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """Runner → Worker: the author's function has ended."""

    result: str | None = None
    """ASCII-escaped JSON; None when `failure` is set or the task was canceled."""
    extended_payloads: tuple[dict[str, Any], ...] = ()
    failure: Failed | None = None
    was_cancelled: bool = False
    """The Worker's `Cancel` arrived before the author's function ended."""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    auth_state: dict[str, Any] | None = None
    """For kinds `create` and `record`: the browser's final state."""
    is_state_to_come: bool = False
    """An `AuthState` follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthState:
    """Runner → Worker after `Ended`: the final state of an AuthSession's browser."""

    auth_state: dict[str, Any] | None = None
    """None: unchanged, or it could not be captured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retiring:
    """Runner → Worker: unfit for another Attempt and about to exit."""

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
    """The peer sent something that is not a message of this protocol."""


def encode(message: Message) -> bytes:
    """The message as one line, newline included."""
    body = {"type": _snake(type(message).__name__), **dataclasses.asdict(message)}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Parse one line.

    Raises:
        ProtocolError: the line is not a JSON object of a known type with its required fields.
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
"""The JSON types accepted for an annotation; a nested message is an object."""
_NESTED: dict[tuple[str, str], Any] = {
    ("Setup", "browser"): Browser,
    ("Start", "proxy"): Proxy,
    ("Ended", "failure"): Failed,
}


def _check(value: object, annotation: str) -> None:
    """Raise TypeError unless the JSON value fits the field's annotation: the peer may be anyone."""
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
