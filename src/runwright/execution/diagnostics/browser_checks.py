"""Checks of what pages need: browsers, Playwright's driver, fonts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator

from runwright import config
from runwright.config import Settings
from runwright.domain.insight.diagnostics import Finding
from runwright.errors import ConfigError
from runwright.execution.diagnostics import findings
from runwright.execution.runners import browsers, reaper

_BROWSER_SECONDS = 40
PROFILE = "rw-doctor-"
_MARK = "runwright-doctor-was-here"


async def binaries(settings: Settings) -> AsyncIterator[Finding]:
    """Check Chromium and the headless shell."""
    try:
        found = await asyncio.to_thread(browsers.find, settings)
    except ConfigError as error:
        yield findings.failure("browser", error.message, "")
        return
    for kind, binary in (("Chromium", found.chromium), ("headless shell", found.shell)):
        if binary:
            yield await _browser(kind, binary, settings.chromium_args)
        else:
            yield findings.warning(
                kind, "not installed; the other one is used instead", browsers.INSTALL
            )


async def _browser(kind: str, binary: str, arguments: tuple[str, ...]) -> Finding:
    """Start a browser as a Runner does, sandbox included, and load a page."""
    sandbox = ["--no-sandbox"] if config.is_root() else []
    page = f"data:text/html,<p>{_MARK}</p>"
    prefix = f"{PROFILE}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as profile:
        command = [
            binary, "--headless", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            *sandbox, *arguments,
            "--dump-dom", page,
        ]  # fmt: skip
        try:
            async with asyncio.timeout(_BROWSER_SECONDS):
                shown, said = await _output(command, HOME=profile)
        except TimeoutError:
            text = f"{binary} did not load a page within {_BROWSER_SECONDS} s"
            return findings.failure(kind, text, browsers.INSTALL)
        except OSError as error:
            return findings.failure(kind, f"{binary} does not start: {error}", browsers.INSTALL)
    if _MARK not in shown:
        last = "\n".join(said.strip().splitlines()[-3:])
        return findings.failure(
            kind, f"{binary} did not load a page: {last}", _browser_remedy(said)
        )
    if config.is_root():
        remedy = "run as another user to enable Chromium's sandbox"
        return findings.warning(kind, f"{binary} works, but without its sandbox, as root", remedy)
    return findings.ok(kind, f"{binary} works, with its sandbox")


async def _output(command: list[str], **variables: str) -> tuple[str, str]:
    """Run a program and return its stdout and stderr; when canceled, kill its process group.

    A Worker does this beside authors' code, so the program gets nothing of the Worker's environment.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**config.author_environment(), **variables},
        start_new_session=True,
        preexec_fn=reaper.die_with_parent,
    )
    try:
        shown, said = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return shown.decode(errors="replace"), said.decode(errors="replace")


def _browser_remedy(said: str) -> str:
    if "sandbox" in said.lower():
        return (
            "allow unprivileged user namespaces (`sysctl kernel.unprivileged_userns_clone=1`, or AppArmor's "
            "`kernel.apparmor_restrict_unprivileged_userns=0`); in a container, allow them in its seccomp profile"
        )
    if "shared libraries" in said:
        return "install its dependencies: `playwright install-deps chromium`"
    return browsers.INSTALL


async def driver() -> Finding:
    """Start the Playwright driver of our own interpreter, which projects without requirements use."""
    name = "driver"
    try:
        async with asyncio.timeout(_BROWSER_SECONDS):
            shown, said = await _output([sys.executable, "-m", "playwright", "--version"])
    except (OSError, TimeoutError) as error:
        return findings.failure(name, f"Playwright's driver does not start: {error}", "")
    if shown.startswith("Version "):
        return findings.ok(name, f"Playwright {shown.split()[1]}")
    last = "\n".join(said.strip().splitlines()[-3:])
    remedy = "apt-get install libatomic1" if "libatomic" in said else "reinstall `playwright`"
    return findings.failure(name, f"Playwright's driver does not start: {last}", remedy)


async def fonts() -> Finding:
    """Check that fonts are installed, and for which languages."""
    program = shutil.which("fc-list")
    if program is None:
        return findings.warning(
            "fonts", "fontconfig is not installed", "apt-get install fontconfig fonts-liberation"
        )
    listed, _ = await _output([program, ":", "lang"])
    if not listed.strip():
        return findings.failure(
            "fonts", "none installed: pages show no text", "apt-get install fonts-liberation"
        )
    missing = [name for name, code in (("Chinese", "zh"), ("Arabic", "ar")) if code not in listed]
    count = len(listed.splitlines())
    if missing:
        remedy = "if pages need them: apt-get install fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji"
        return findings.warning("fonts", f"{count}, none for {' or '.join(missing)}", remedy)
    return findings.ok("fonts", f"{count}")
