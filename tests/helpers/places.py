"""Runwright as others install it: a wheel in its own environment, in places unlike a checkout."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from helpers.server import RunwrightServer, environment, line_of

ROOT = Path(__file__).resolve().parents[2]
_UV = str(Path(sys.executable).with_name("uv"))
_USUAL_UMASK = 0o022
_KEPT = ("PATH", "RUNWRIGHT_CHROMIUM", "RUNWRIGHT_CHROMIUM_SHELL", "PLAYWRIGHT_BROWSERS_PATH")
"""Of the tests' environment: where the browsers are."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who runs it, with what around them."""

    user: pwd.struct_passwd | None = None
    """None is whoever runs the tests."""
    umask: int = _USUAL_UMASK
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """All of the environment but where programs are."""
    within: tuple[str, ...] = ()
    """A command that becomes the one that follows it."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An installed wheel, and who uses it."""

    folder: Path
    person: Person

    @property
    def data_dir(self) -> Path:
        """Return where its server keeps everything."""
        return self.folder / "data"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `runwright` with those words to its end."""
        return subprocess.run(
            self._command(*words), capture_output=True, timeout=120, check=False, **self._options()
        )

    @contextmanager
    def serving(self) -> Generator[RunwrightServer]:
        """Serve until the block ends."""
        log = self.folder / "serve.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                self._command("serve", "--port", "0"),
                stdout=subprocess.PIPE,
                stderr=out,
                **self._options(),
            )
        assert process.stdout is not None
        try:
            assert "is ready" in line_of(process), log.read_text(errors="replace")
            connection = json.loads((self.data_dir / "connection.json").read_text())
            yield RunwrightServer(process=process, data_dir=self.data_dir, **connection)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)
            process.stdout.close()
        assert code == 0, log.read_text(errors="replace")

    @contextmanager
    def working(self, database_url: str) -> Generator[subprocess.Popen[str]]:
        """Run a worker of its own, with the key of the folder's server, until the block ends."""
        options = self._options()
        options["env"] |= {
            "RUNWRIGHT_DATA_DIR": str(self.folder / "worker"),
            "RUNWRIGHT_DATABASE_URL": database_url,
            "RUNWRIGHT_SECRET_KEY": (self.data_dir / "secret.key").read_text().split()[0],
        }
        with (self.folder / "work.log").open("w") as out:
            process = subprocess.Popen(
                self._command("worker"), stdout=subprocess.PIPE, stderr=out, **options
            )
        try:
            assert "is ready" in line_of(process), (self.folder / "work.log").read_text()
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            if process.stdout is not None:
                process.stdout.close()

    def deploy_and_run(self, files: Mapping[str, str], api: str) -> object:
        """Deploy a project of the files and return what the Api gives."""
        project = self.folder / "project"
        for name, text in files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text, encoding="utf-8")
        _give(project, self.person.user)
        deployed = self.run("deploy", str(project), "--project", "p")
        assert deployed.returncode == 0, deployed.stderr
        ran = self.run("run", "p", api)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def _command(self, *words: str) -> list[str]:
        # Through the interpreter, as the name of a program's may be too long for a script's first line.
        return [
            *self.person.within,
            str(self.folder / "venv/bin/python"),
            "-m",
            "runwright",
            *words,
        ]

    def _options(self) -> dict[str, Any]:
        user = self.person.user
        kept = {name: value for name, value in environment().items() if name in _KEPT}
        return {
            "env": {**kept, "RUNWRIGHT_DATA_DIR": str(self.data_dir), **self.person.variables},
            "cwd": "/",
            "umask": self.person.umask,
            "encoding": "utf-8",
            "user": None if user is None else user.pw_uid,
            "group": None if user is None else user.pw_gid,
            "extra_groups": None if user is None else [],
        }


def install(folder: Path, person: Person, wheel: Path) -> Installed:
    """Install the wheel in the folder as the person would."""
    python = _interpreter(person.user)
    before = os.umask(person.umask)
    try:
        subprocess.run([_UV, "venv", "--quiet", "--python", python, folder / "venv"], check=True)
        subprocess.run(
            [_UV, "pip", "install", "--quiet", "--python", folder / "venv/bin/python",
             "--constraint", ROOT / "constraints.txt",
             # Links share their owners and modes with what others have installed.
             *(["--link-mode", "copy"] if person.user or person.umask != _USUAL_UMASK else []), wheel],
            check=True,
        )  # fmt: skip
    finally:
        os.umask(before)
    _give(folder, person.user)
    return Installed(folder=folder, person=person)


def make_wheel(directory: Path) -> Path:
    """Build a wheel of this checkout."""
    subprocess.run([_UV, "build", "--quiet", "--wheel", "--out-dir", directory, ROOT], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def _give(folder: Path, user: pwd.struct_passwd | None) -> None:
    if user is None:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


@cache
def _interpreter(user: pwd.struct_passwd | None) -> str:
    """Return an interpreter that the user can run: ours, which may lie in root's home, or the system's."""
    ours = str(Path(sys.executable).resolve())
    if user is None:
        return ours
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (ours, "/usr/bin/python3"):
        try:
            tried = subprocess.run(
                [python, "-c", check], user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=False,
                capture_output=True, cwd="/",
            )  # fmt: skip
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    pytest.skip("another user than root can run no Python 3.11 or newer here")


def forget(folder: Path) -> None:
    """Remove a folder, and a cluster that root keeps for it elsewhere."""
    for pointer in folder.glob("**/cluster-is-in"):
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
