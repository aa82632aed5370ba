"""The one reader of the environment: settings, read once, frozen.

A plain dataclass and not a settings framework: the command line reads these too and must start
fast.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from runwright import setting_text
from runwright.errors import ConfigError

_CERTIFICATES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
)
"""Where systems keep the certificates that they trust."""


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
    internal_url: str | None = None
    """Where Workers reach this very server, past any balancer; None: found out when it starts."""
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
    download_timeout: timedelta = timedelta(seconds=60)
    """For downloads that are still on their way when the automation has returned."""
    runner_start_timeout: timedelta = timedelta(seconds=60)
    inspect_timeout: timedelta = timedelta(seconds=60)
    environment_timeout: timedelta = timedelta(minutes=10)
    unused_retention: timedelta = timedelta(days=7)
    """What is unpacked or built on a machine goes when it was not used for so long."""
    run_retention: timedelta = timedelta(days=30)
    """Ended Runs go after so long, with all that is theirs; 0 keeps them for ever."""
    file_retention: timedelta = timedelta(days=7)
    """Traces and files of ended Runs go after so long; 0 keeps them as long as the Run."""
    prune_hour: int | None = 3
    """The hour of the day, in UTC, at which what is old is removed; None: only when asked."""
    max_data_bytes: int | None = None
    """What the data directory may hold; None is no ceiling."""
    runner_memory_bytes: int = 2 * 1024 * 1024 * 1024
    """A Runner whose whole tree holds more than this after an Attempt retires; at 150 % it is killed."""
    runner_max_attempts: int = 1000
    webhook_allow_private: bool = False
    """Webhooks may go to private and loopback addresses."""
    webhook_timeout: timedelta = timedelta(seconds=10)
    """Of one try of a Delivery."""
    webhook_window: timedelta = timedelta(hours=1)
    """A webhook is tried for so long, from its first try."""
    s3_window: timedelta = timedelta(minutes=10)
    """The same of an object in a bucket."""
    visit_lifetime: timedelta = timedelta(days=7)
    """Who signs in to the dashboard signs in again after so long."""
    max_queued_runs: int = 100_000
    """Runs of one project that may wait at once; its own `queue.max_length` wins."""
    queue_time_to_live: timedelta = timedelta(0)
    """A Run that waits longer to be begun is canceled; 0: it waits for ever. `queue.time_to_live` wins."""
    max_requests_in_flight: int = 512
    """Requests that one server answers at once, those that were asked to wait apart; more are a 429."""
    max_requests_waiting: int = 10_000
    """Requests with `wait`, and streams of events, that one server holds at once."""
    key_requests_in_flight: int = 256
    """Requests of one API key that one server answers at once."""
    key_requests_per_second: float = 0.0
    """What one API key may ask of one server; 0 is no limit."""
    max_connections: int = 16_000
    """Connections that one server holds; the limit on open files, less 512, may be lower."""
    header_timeout: timedelta = timedelta(seconds=20)
    """From a connection's beginning, or a request's, to the end of the request's head."""
    body_timeout: timedelta = timedelta(seconds=30)
    """For a request's body, and a second more for each 64 KiB."""
    min_free_bytes: int = 256 * 1024 * 1024
    """With less free on the data directory's disk nothing new is taken or begun; 0 is no line."""
    min_memory_bytes: int = 256 * 1024 * 1024
    """With less memory available a Worker begins no Attempt; 0 is no line."""
    anthropic_api_key: str | None = field(default=None, repr=False)
    """What the gateway to language models sends to Anthropic; authors never see it."""
    anthropic_url: str | None = None
    """Another server that speaks Anthropic's protocol; with one set, a key is optional."""
    openai_api_key: str | None = field(default=None, repr=False)
    openai_url: str | None = None
    """The same of OpenAI's protocols, with the version: `http://localhost:11434/v1`."""
    google_api_key: str | None = field(default=None, repr=False)
    google_url: str | None = None
    model_timeout: timedelta = timedelta(minutes=10)
    """A provider of language models that is silent for longer is given up."""
    max_model_request_bytes: int = 32 * 1024 * 1024
    """Of one request to a language model: images make it large."""
    model_prices: str | None = None
    """What models cost, as JSON or a file of it; what it does not name costs what its provider's list says."""
    model_run_limit_usd: Decimal | None = None
    """What one Run may spend on models, all its Attempts together; None is no limit."""
    model_project_limit_usd: Decimal | None = None
    """What the Runs of one project may spend in a day, by UTC."""
    model_day_limit_usd: Decimal | None = None
    """What all Runs may spend in a day."""
    otel_endpoint: str | None = None
    """A collector that takes OpenTelemetry traces over HTTP; None: there are none."""
    metrics_token: str | None = None
    """Who sends it may read `/metrics` and nothing else."""
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
    given_home = Path(environ.get("XDG_DATA_HOME", ""))
    # One that is relative is to be ignored, says the specification.
    return (
        given_home if given_home.is_absolute() else home(environ) / ".local/share"
    ) / "runwright"


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home: as the environment says, else as the system knows it; `/` of a user without one."""
    given = Path(environ.get("HOME", ""))
    if given.is_absolute():
        return given
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


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
    default = home(source) / ".cache/ms-playwright"
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
    default = home(source) / ".pyenv"
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


def build_environment(spare_home: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what building an Environment may see: our variables less the platform's own.

    Builders keep caches in the home; the spare one is for a user whose own cannot be written, as many services' cannot.
    """
    source = os.environ if environ is None else environ
    hidden = ("RUNWRIGHT_", "PYTHON", "VIRTUAL_ENV", "AWS_", "AZURE_", "GOOGLE_", "PG")
    found = {name: value for name, value in source.items() if not name.startswith(hidden)}
    own = home(source)
    is_usable = own != Path("/") and os.access(own, os.W_OK | os.X_OK)
    # uv's own list of certificates lacks those that a company adds to its machines.
    has_certificates = any(file.is_file() for file in _CERTIFICATES)
    certificates = {"UV_SYSTEM_CERTS": "1"} if has_certificates else {}
    return {**certificates, **found, "HOME": str(own if is_usable else spare_home)}


def forget_postgresql() -> None:
    """Drop the variables that clients of PostgreSQL read: they are meant for another than the embedded one."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def postgresql_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that clients of PostgreSQL read."""
    source = os.environ if environ is None else environ
    return {name: value for name, value in source.items() if name.startswith("PG")}


def has_display(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a headed browser has somewhere to show itself, were it virtual."""
    source = os.environ if environ is None else environ
    if sys.platform != "linux" or source.get("DISPLAY"):
        return True
    return shutil.which("Xvfb", path=source.get("PATH")) is not None


def is_root() -> bool:
    """Return whether this process runs as root."""
    return sys.platform != "win32" and os.geteuid() == 0


_PARSERS: dict[str, Callable[[str], object]] = {
    "host": setting_text.host,
    "port": setting_text.port,
    "database_url": str,
    "blobs": str,
    "secret_key": str,
    "old_secret_key": str,
    "url": setting_text.url,
    "internal_url": setting_text.url,
    "chromium": str,
    "chromium_shell": str,
    "chromium_args": setting_text.words,
    "max_body_bytes": setting_text.positive,
    "max_bundle_bytes": setting_text.positive,
    "max_environment_bytes": setting_text.positive,
    "max_result_bytes": setting_text.positive,
    "max_log_bytes": setting_text.positive,
    "max_trace_bytes": setting_text.positive,
    "max_file_bytes": setting_text.positive,
    "max_auth_state_bytes": setting_text.positive,
    "save_auth_state": setting_text.boolean,
    "slots": setting_text.positive,
    "retry_delay": setting_text.seconds,
    "cancel_grace": setting_text.seconds,
    "drain_grace": setting_text.seconds,
    "heartbeat_timeout": setting_text.seconds,
    "max_crashes": setting_text.positive,
    "trace_timeout": setting_text.seconds,
    "download_timeout": setting_text.seconds,
    "runner_start_timeout": setting_text.seconds,
    "inspect_timeout": setting_text.seconds,
    "environment_timeout": setting_text.seconds,
    "unused_retention": setting_text.seconds,
    "run_retention": setting_text.seconds,
    "file_retention": setting_text.seconds,
    "prune_hour": setting_text.hour,
    "max_data_bytes": setting_text.positive,
    "runner_memory_bytes": setting_text.positive,
    "runner_max_attempts": setting_text.positive,
    "webhook_allow_private": setting_text.boolean,
    "webhook_timeout": setting_text.seconds,
    "webhook_window": setting_text.seconds,
    "s3_window": setting_text.seconds,
    "visit_lifetime": setting_text.seconds,
    "max_queued_runs": setting_text.positive,
    "queue_time_to_live": setting_text.seconds,
    "max_requests_in_flight": setting_text.positive,
    "max_requests_waiting": setting_text.positive,
    "key_requests_in_flight": setting_text.positive,
    "key_requests_per_second": setting_text.rate,
    "max_connections": setting_text.positive,
    "header_timeout": setting_text.seconds,
    "body_timeout": setting_text.seconds,
    "min_free_bytes": setting_text.natural,
    "min_memory_bytes": setting_text.natural,
    "anthropic_api_key": setting_text.secret,
    "anthropic_url": setting_text.base_url,
    "openai_api_key": setting_text.secret,
    "openai_url": setting_text.base_url,
    "google_api_key": setting_text.secret,
    "google_url": setting_text.base_url,
    "model_timeout": setting_text.seconds,
    "max_model_request_bytes": setting_text.positive,
    "model_prices": setting_text.json_or_file,
    "model_run_limit_usd": setting_text.money,
    "model_project_limit_usd": setting_text.money,
    "model_day_limit_usd": setting_text.money,
    "otel_endpoint": setting_text.url,
    "metrics_token": str,
    "log_format": setting_text.log_format,
}
