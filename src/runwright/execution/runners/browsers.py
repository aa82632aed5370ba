"""Finds the Chromium binaries on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runwright import config, telemetry
from runwright.config import Settings
from runwright.errors import ConfigError

log = telemetry.logger(__name__)

_CHROMIUM_COMMANDS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
_SHELL_COMMANDS = ("chromium-headless-shell",)
_CHROMIUM_DOWNLOADS = ("chromium-*/chrome-linux*/chrome",)
_SHELL_DOWNLOADS = (
    "chromium_headless_shell-*/chrome-*/headless_shell",
    "chromium_headless_shell-*/chrome-*/chrome-headless-shell",
)
INSTALL = (
    "install one with `playwright install chromium`, or as root "
    "`apt-get install chromium chromium-headless-shell`, or set `RUNWRIGHT_CHROMIUM`"
)
"""What to do when one is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Browsers:
    """The binaries that Runners launch; at least one is set."""

    chromium: str | None
    shell: str | None

    def executable(self, *, is_shell: bool) -> str:
        """The binary of the requested kind, or the other one if that is missing."""
        wanted, other = (self.shell, self.chromium) if is_shell else (self.chromium, self.shell)
        found = wanted or other
        assert found is not None
        return found

    def is_shell(self, *, is_shell: bool) -> bool:
        """True when `executable` is the headless shell."""
        return self.executable(is_shell=is_shell) == self.shell


def find(settings: Settings, environ: Mapping[str, str] | None = None) -> Browsers:
    """Find the binaries: as configured, else Playwright's own download, else on PATH.

    Raises:
        ConfigError: there is none, or a setting names a missing program; says what to install.
    """
    path, downloads = config.program_places(environ)
    chromium = _as_set("RUNWRIGHT_CHROMIUM", settings.chromium) or _find(
        downloads, _CHROMIUM_DOWNLOADS, _CHROMIUM_COMMANDS, path
    )
    shell = _as_set("RUNWRIGHT_CHROMIUM_SHELL", settings.chromium_shell) or _find(
        downloads, _SHELL_DOWNLOADS, _SHELL_COMMANDS, path
    )
    if chromium is None and shell is None:
        raise ConfigError(f"There is no Chromium on this machine: {INSTALL}.")
    if chromium is None or shell is None:
        missing, serving = ("Chromium", shell) if chromium is None else ("headless shell", chromium)
        log.warning(
            "a browser is missing, using the other one instead",
            event_name="browser_missing",
            missing=missing,
            serving=serving,
        )
    return Browsers(chromium=chromium, shell=shell)


def _as_set(variable: str, value: str | None) -> str | None:
    if value is not None and shutil.which(value) is None:
        raise ConfigError(f"`{variable}` does not name a program: {value}")
    return value


def _find(
    downloads: Path, patterns: tuple[str, ...], commands: tuple[str, ...], path: str | None
) -> str | None:
    for pattern in patterns:
        if found := sorted(downloads.glob(pattern), key=lambda file: file.stat().st_mtime):
            return str(found[-1])
    return next(
        (found for command in commands if (found := shutil.which(command, path=path))), None
    )
