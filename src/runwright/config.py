"""The one reader of the environment: settings, read once, frozen.

A plain dataclass and not a settings framework: the command line reads these too and must start
fast.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from runwright.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What an operator can set; each field is `RUNWRIGHT_<NAME>` in the environment."""

    data_dir: Path
    """Where everything lives that is not in an external database or bucket."""
    host: str = "127.0.0.1"
    port: int = 8417
    database_url: str | None = None
    """A PostgreSQL ≥ 14; None starts the embedded one in `data_dir`."""
    blobs: str | None = None
    """`s3://…`, `gs://…`, `az://…`; None keeps blobs in `data_dir`."""
    url: str | None = None
    """Where authors' code and receivers of links reach the server; None: where `serve` listens."""
    secret_key: str | None = None
    """What secrets are sealed with; None keeps a key file in `data_dir`."""
    old_secret_key: str | None = None
    """What secrets were sealed with before: it opens and does not seal, until all are sealed anew."""
    chromium: str | None = None
    chromium_shell: str | None = None
    chromium_args: tuple[str, ...] = ()
    max_body_bytes: int = 10 * 1024 * 1024
    max_bundle_bytes: int = 100 * 1024 * 1024
    """Of the upload; what it unpacks to may be five times that."""
    max_environment_bytes: int = 5 * 1024 * 1024 * 1024
    """Of one Environment on disk."""
    max_result_bytes: int = 2 * 1024 * 1024
    max_log_bytes: int = 1024 * 1024
    """Of log text kept for one Attempt."""
    max_trace_bytes: int = 256 * 1024 * 1024
    max_file_bytes: int = 256 * 1024 * 1024
    """Of one file that an Attempt uploads."""
    max_auth_state_bytes: int = 16 * 1024 * 1024
    """Of one session's state, as JSON."""
    save_auth_state: bool = True
    """Keep what a Run's browser ends with in its session, when the Run ends well and cookies changed."""
    slots: int | None = None
    """Attempts one Worker carries out at once; None decides from cores and memory."""
    retry_delay: timedelta = timedelta(seconds=1)
    """Between two Attempts of a Run."""
    cancel_grace: timedelta = timedelta(seconds=10)
    """From asking the author's task to stop to killing its process group."""
    drain_grace: timedelta = timedelta(seconds=10)
    """What running Attempts get on SIGTERM before they go back to the queue."""
    heartbeat_timeout: timedelta = timedelta(seconds=5)
    """A Worker silent for longer has lost its Runs to another one."""
    max_crashes: int = 3
    """A Run that took this many Workers with it fails, whatever its retry policy says."""
    trace_timeout: timedelta = timedelta(seconds=30)
    """For saving a trace and closing a context, enforced from outside the Runner."""
    runner_start_timeout: timedelta = timedelta(seconds=60)
    inspect_timeout: timedelta = timedelta(seconds=60)
    environment_timeout: timedelta = timedelta(minutes=10)
    unused_retention: timedelta = timedelta(days=7)
    """What is unpacked or built on a machine goes when it was not used for so long."""
    runner_memory_bytes: int = 2 * 1024 * 1024 * 1024
    """A Runner whose whole tree holds more than this after an Attempt retires; at 150 % it is killed."""
    runner_max_attempts: int = 100
    webhook_allow_private: bool = False
    """Webhooks may go to private and loopback addresses."""
    webhook_timeout: timedelta = timedelta(seconds=10)
    """Of one try of a Delivery."""
    webhook_window: timedelta = timedelta(hours=1)
    """A webhook is tried for so long, from its first try."""
    s3_window: timedelta = timedelta(minutes=10)
    """The same of an object in a bucket."""
    log_format: str = "console"
    """`console` or `json`."""

    @property
    def secret_file(self) -> Path:
        """Where the keys are kept that seal, unless they are set."""
        return self.data_dir / "secret.key"

    @property
    def connection_file(self) -> Path:
        """Where `serve` says how to reach it."""
        return self.data_dir / "connection.json"


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return `RUNWRIGHT_DATA_DIR`, or a folder of the user's own."""
    if given := environ.get("RUNWRIGHT_DATA_DIR"):
        return Path(given).absolute()
    home = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/")) / ".local/share"
    return Path(home) / "runwright"


def read(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings; an override that is not None wins over the environment.

    Raises:
        ConfigError: a variable holds what cannot be read as its type.
    """
    source = os.environ if environ is None else environ
    values: dict[str, object] = {"data_dir": default_data_dir(source)}
    for name, parse in _PARSERS.items():
        variable = f"RUNWRIGHT_{name.upper()}"
        if (text := source.get(variable)) not in (None, ""):
            try:
                values[name] = parse(str(text))
            except ValueError as error:
                raise ConfigError(f"cannot read the setting `{variable}`: {error}") from error
    values.update({name: value for name, value in overrides.items() if value is not None})
    return Settings(**values)  # type: ignore[arg-type]


def server_address(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return how the command line reaches the server, as far as the environment says."""
    source = os.environ if environ is None else environ
    names = ("RUNWRIGHT_SERVER", "RUNWRIGHT_WORKSPACE_ID", "RUNWRIGHT_API_KEY")
    return {name: source[name] for name in names if source.get(name)}


def program_places(environ: Mapping[str, str] | None = None) -> tuple[str | None, Path]:
    """Return where programs are looked for: the PATH, and the folder of Playwright's downloads."""
    source = os.environ if environ is None else environ
    downloads = source.get("PLAYWRIGHT_BROWSERS_PATH")
    default = Path(source.get("HOME", "/")) / ".cache/ms-playwright"
    return source.get("PATH"), Path(downloads) if downloads else default


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables of a `.env` file: `NAME=value` a line, quotes taken off; none is none.

    Raises:
        ConfigError: a line is no assignment.
    """
    if not file.is_file():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"{file.name}, line {number}: not an assignment such as `NAME=value`")
        try:
            found[name.strip()] = "".join(shlex.split(value, comments=True)) if value else ""
        except ValueError as error:
            raise ConfigError(f"{file.name}, line {number}: {error}") from error
    return found


def interpreter_places(environ: Mapping[str, str] | None = None) -> tuple[str | None, Path]:
    """Return where interpreters are looked for: the PATH, and pyenv's folder."""
    source = os.environ if environ is None else environ
    default = Path(source.get("HOME", "/")) / ".pyenv"
    return source.get("PATH"), Path(source["PYENV_ROOT"]) if "PYENV_ROOT" in source else default


def author_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the few variables a Runner gets from ours: where programs are, and the language."""
    source = os.environ if environ is None else environ
    kept = (
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "DISPLAY",
        "XAUTHORITY",
        "SSL_CERT_FILE",
        "FONTCONFIG_PATH",
    )
    found = {name: source[name] for name in kept if name in source}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **found}


def build_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what building an Environment may see: our variables less the platform's own."""
    source = os.environ if environ is None else environ
    hidden = ("RUNWRIGHT_", "PYTHON", "VIRTUAL_ENV", "AWS_", "AZURE_", "GOOGLE_", "PG")
    return {name: value for name, value in source.items() if not name.startswith(hidden)}


def has_display(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a headed browser has somewhere to show itself, were it virtual."""
    source = os.environ if environ is None else environ
    if sys.platform != "linux" or source.get("DISPLAY"):
        return True
    return shutil.which("Xvfb", path=source.get("PATH")) is not None


def is_root() -> bool:
    """Return whether this process runs as root."""
    return sys.platform != "win32" and os.geteuid() == 0


def _boolean(text: str) -> bool:
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in known:
        raise ValueError(f"`{text}` is neither `true` nor `false`")
    return known[text.lower()]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"`{text}` is not at least 1")
    return number


def _seconds(text: str) -> timedelta:
    number = float(text)
    if number < 0:
        raise ValueError(f"`{text}` is negative")
    return timedelta(seconds=number)


def _words(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"`{text}` is no address such as `https://runwright.example.com`")
    return text.rstrip("/")


def _log_format(text: str) -> str:
    if text not in ("console", "json"):
        raise ValueError(f"`{text}` is neither `console` nor `json`")
    return text


_PARSERS: dict[str, Callable[[str], object]] = {
    "host": str,
    "port": int,
    "database_url": str,
    "blobs": str,
    "secret_key": str,
    "old_secret_key": str,
    "url": _url,
    "chromium": str,
    "chromium_shell": str,
    "chromium_args": _words,
    "max_body_bytes": _positive,
    "max_bundle_bytes": _positive,
    "max_environment_bytes": _positive,
    "max_result_bytes": _positive,
    "max_log_bytes": _positive,
    "max_trace_bytes": _positive,
    "max_file_bytes": _positive,
    "max_auth_state_bytes": _positive,
    "save_auth_state": _boolean,
    "slots": _positive,
    "retry_delay": _seconds,
    "cancel_grace": _seconds,
    "drain_grace": _seconds,
    "heartbeat_timeout": _seconds,
    "max_crashes": _positive,
    "trace_timeout": _seconds,
    "runner_start_timeout": _seconds,
    "inspect_timeout": _seconds,
    "environment_timeout": _seconds,
    "unused_retention": _seconds,
    "runner_memory_bytes": _positive,
    "runner_max_attempts": _positive,
    "webhook_allow_private": _boolean,
    "webhook_timeout": _seconds,
    "webhook_window": _seconds,
    "s3_window": _seconds,
    "log_format": _log_format,
}
