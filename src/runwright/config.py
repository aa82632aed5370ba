"""The only module that reads the environment: settings, read once and frozen.

A plain dataclass rather than a settings framework: the command line reads these too and must start
fast.
"""

from __future__ import annotations

import os
import pwd
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
"""Where systems keep their trusted certificates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything an operator can set; each field is `RUNWRIGHT_<NAME>` in the environment."""

    data_dir: Path
    """Holds everything that is not in an external database or bucket."""
    host: str = "127.0.0.1"
    port: int = 8417
    database_url: str | None = None
    """PostgreSQL 14 or newer; None starts the embedded one in `data_dir`."""
    blobs: str | None = None
    """`s3://…`, `gs://…`, `az://…`; None keeps blobs in `data_dir`."""
    url: str | None = None
    """The server's address for authors' code and for recipients of links; None: where `serve` listens."""
    internal_url: str | None = None
    """This server's own address for Workers, bypassing any load balancer; None: worked out at startup."""
    secret_key: str | None = None
    """The key that seals secrets; None keeps a key file in `data_dir`."""
    old_secret_key: str | None = None
    """The previous key: opens secrets but never seals them, until all are sealed with the new one."""
    chromium: str | None = None
    chromium_shell: str | None = None
    chromium_args: tuple[str, ...] = ()
    max_body_bytes: int = 10 * 1024 * 1024
    max_bundle_bytes: int = 100 * 1024 * 1024
    """Size of the upload; unpacked it may be five times that."""
    max_environment_bytes: int = 5 * 1024 * 1024 * 1024
    """Size of one Environment on disk."""
    max_result_bytes: int = 2 * 1024 * 1024
    max_log_bytes: int = 1024 * 1024
    """Log text kept for one Attempt."""
    max_trace_bytes: int = 256 * 1024 * 1024
    max_file_bytes: int = 256 * 1024 * 1024
    """Size of one file that an Attempt uploads."""
    max_auth_state_bytes: int = 16 * 1024 * 1024
    """Size of one AuthSession's state, as JSON."""
    save_auth_state: bool = True
    """Save the browser's final state to the AuthSession when a Run completes and cookies changed."""
    slots: int | None = None
    """Attempts one Worker runs at once; None derives it from cores and memory."""
    retry_delay: timedelta = timedelta(seconds=1)
    """Between two Attempts of a Run."""
    cancel_grace: timedelta = timedelta(seconds=10)
    """From asking the author's task to stop until its process group is killed."""
    drain_grace: timedelta = timedelta(seconds=10)
    """What running Attempts get on SIGTERM before they return to the queue."""
    heartbeat_timeout: timedelta = timedelta(seconds=5)
    """A Worker silent for longer loses its Runs to another."""
    max_crashes: int = 3
    """A Run that takes down this many Workers fails, whatever its retry policy says."""
    trace_timeout: timedelta = timedelta(seconds=30)
    """For saving a trace and closing a context, enforced from outside the Runner."""
    download_timeout: timedelta = timedelta(seconds=60)
    """For downloads still in progress when the automation returns."""
    runner_start_timeout: timedelta = timedelta(seconds=60)
    inspect_timeout: timedelta = timedelta(seconds=60)
    environment_timeout: timedelta = timedelta(minutes=10)
    unused_retention: timedelta = timedelta(days=7)
    """Unpacked Bundles and built Environments are removed after going unused for this long."""
    run_retention: timedelta = timedelta(days=30)
    """Ended Runs are removed after this long, with everything that belongs to them; 0 keeps them forever."""
    file_retention: timedelta = timedelta(days=7)
    """Traces and files of ended Runs are removed after this long; 0 keeps them as long as the Run."""
    prune_hour: int | None = 3
    """Hour of the day, in UTC, at which old data is removed; None: only on request."""
    max_data_bytes: int | None = None
    """Disk quota of the data directory; None is unlimited."""
    runner_memory_bytes: int = 2 * 1024 * 1024 * 1024
    """A Runner whose process tree holds more after an Attempt retires; at 150 % it is killed."""
    runner_max_attempts: int = 1000
    webhook_allow_private: bool = False
    """Allow webhooks to private and loopback addresses."""
    webhook_timeout: timedelta = timedelta(seconds=10)
    """For one try of a Delivery."""
    webhook_window: timedelta = timedelta(hours=1)
    """How long a webhook is retried, counted from its first try."""
    s3_window: timedelta = timedelta(minutes=10)
    """The same for an object in a bucket."""
    visit_lifetime: timedelta = timedelta(days=7)
    """How long a sign-in to the dashboard lasts."""
    max_queued_runs: int = 100_000
    """Runs of one project that may wait at once; its own `queue.max_length` takes precedence."""
    queue_time_to_live: timedelta = timedelta(0)
    """A Run that waits longer is canceled; 0: it waits forever. `queue.time_to_live` takes precedence."""
    max_requests_in_flight: int = 512
    """Requests that one server answers at once, apart from those with `wait`; any more get a 429."""
    max_requests_waiting: int = 10_000
    """Requests with `wait`, and event streams, that one server holds at once."""
    key_requests_in_flight: int = 256
    """Requests of one API key that one server answers at once."""
    key_requests_per_second: float = 0.0
    """Rate limit of one API key on one server; 0 is unlimited."""
    max_connections: int = 16_000
    """Connections that one server holds; the limit on open files, minus 512, may be lower."""
    header_timeout: timedelta = timedelta(seconds=20)
    """From the start of a connection or request to the end of the request's headers."""
    body_timeout: timedelta = timedelta(seconds=30)
    """For a request's body, plus one second for each 64 KiB."""
    min_free_bytes: int = 256 * 1024 * 1024
    """With less free space on the data directory's disk nothing new is accepted or started; 0 disables the check."""
    min_memory_bytes: int = 256 * 1024 * 1024
    """With less available memory a Worker starts no Attempt; 0 disables the check."""
    anthropic_api_key: str | None = field(default=None, repr=False)
    """The key that the model gateway sends to Anthropic; authors never see it."""
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
    """`RUNWRIGHT_DATA_DIR`, or a folder in the user's home."""
    if given := environ.get("RUNWRIGHT_DATA_DIR"):
        return Path(given).absolute()
    given_home = Path(environ.get("XDG_DATA_HOME", ""))
    # The XDG specification says to ignore a relative path.
    return (
        given_home if given_home.is_absolute() else home(environ) / ".local/share"
    ) / "runwright"


def home(environ: Mapping[str, str]) -> Path:
    """The user's home: from the environment, else from the system's user database; `/` for a user without one."""
    given = Path(environ.get("HOME", ""))
    if given.is_absolute():
        return given
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def read(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings; an override that is not None takes precedence over the environment.

    Raises:
        ConfigError: a variable cannot be parsed.
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
    """How the command line reaches the server, as far as the environment says."""
    source = os.environ if environ is None else environ
    names = ("RUNWRIGHT_SERVER", "RUNWRIGHT_WORKSPACE_ID", "RUNWRIGHT_API_KEY")
    return {name: source[name] for name in names if source.get(name)}


def program_places(environ: Mapping[str, str] | None = None) -> tuple[str | None, Path]:
    """Where to look for programs: the PATH, and the folder of Playwright's downloads."""
    source = os.environ if environ is None else environ
    downloads = source.get("PLAYWRIGHT_BROWSERS_PATH")
    default = home(source) / ".cache/ms-playwright"
    return source.get("PATH"), Path(downloads) if downloads else default


def interpreter_places(environ: Mapping[str, str] | None = None) -> tuple[str | None, Path]:
    """Where to look for Python interpreters: the PATH, and pyenv's folder."""
    source = os.environ if environ is None else environ
    default = home(source) / ".pyenv"
    return source.get("PATH"), Path(source["PYENV_ROOT"]) if "PYENV_ROOT" in source else default


def author_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The few variables a Runner inherits from us: mostly paths and locale."""
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
    """The variables that building an Environment may see: ours, minus the platform's own.

    Build tools keep caches in the home folder; `spare_home` is for a user, such as many a service's, who cannot write
    to their own.
    """
    source = os.environ if environ is None else environ
    hidden = ("RUNWRIGHT_", "PYTHON", "VIRTUAL_ENV", "AWS_", "AZURE_", "GOOGLE_", "PG")
    found = {name: value for name, value in source.items() if not name.startswith(hidden)}
    own = home(source)
    is_usable = own != Path("/") and os.access(own, os.W_OK | os.X_OK)
    # uv's built-in certificates lack those that a company adds to its machines.
    has_certificates = any(file.is_file() for file in _CERTIFICATES)
    certificates = {"UV_SYSTEM_CERTS": "1"} if has_certificates else {}
    return {**certificates, **found, "HOME": str(own if is_usable else spare_home)}


def forget_postgresql() -> None:
    """Drop the variables that PostgreSQL clients read: they are not meant for the embedded server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def postgresql_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that PostgreSQL clients read."""
    source = os.environ if environ is None else environ
    return {name: value for name, value in source.items() if name.startswith("PG")}


def has_display(environ: Mapping[str, str] | None = None) -> bool:
    """True when a headed browser has a display, if only a virtual one."""
    source = os.environ if environ is None else environ
    if sys.platform != "linux" or source.get("DISPLAY"):
        return True
    return shutil.which("Xvfb", path=source.get("PATH")) is not None


def is_root() -> bool:
    """True when this process runs as root."""
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
