"""Private folders with paths short enough for Unix sockets: the kernel allows at most 107 bytes."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from runwright.errors import ConfigError

_LONGEST_BYTES = 107
_PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/run"))  # noqa: S108
"""Tried after the temporary folder named by the environment."""


def make(prefix: str, *, inside_bytes: int, fits: Callable[[Path], bool] | None = None) -> Path:
    """Create a folder of mode 0700 in which a socket path of `inside_bytes` more bytes fits.

    `fits` may impose further conditions on its parent folder.

    Raises:
        ConfigError: no temporary folder of this machine is suitable; the message says why for each.
    """
    refused: list[str] = []
    for place in _places():
        try:
            made = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        except OSError as error:
            refused.append(f"{place}: {error.strerror}")
            continue
        reason = why_not(made, inside_bytes=inside_bytes)
        if reason is None and (fits is None or fits(place)):
            return made
        made.rmdir()
        refused.append(f"{place}: {reason or 'not accessible to the user who needs it'}")
    raise ConfigError(
        "No temporary folder is suitable for a socket: set `TMPDIR` to one with a short path. Tried "
        + "; ".join(refused)
    )


def why_not(folder: Path, *, inside_bytes: int) -> str | None:
    """Why a socket whose path inside the folder has so many bytes cannot be bound there; None: it can."""
    if len(os.fsencode(folder)) + 1 + inside_bytes > _LONGEST_BYTES:
        return "its path is too long"
    trial = folder / f"trial.{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(trial))
    except OSError as error:
        return str(error.strerror)
    finally:
        with contextlib.suppress(OSError):
            trial.unlink()
    return None


def _places() -> Iterable[Path]:
    named = []
    with contextlib.suppress(FileNotFoundError):
        # On a full disk it finds none, and the loop in `make` will report why.
        named = [Path(tempfile.gettempdir()).absolute()]
    return dict.fromkeys((*named, *_PLACES))
