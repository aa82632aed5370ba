"""AuthSession commands: against a server, and on the author's own machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from helpers import command_line
from helpers.server import RunwrightServer
from outside import sign_in_site
from outside.sign_in_site import Site


@pytest.fixture(name="site")
def _site() -> Generator[Site]:
    with sign_in_site.serving() as site:
        yield site


Say = Callable[..., tuple[int, str]]


@pytest.fixture(name="say")
def _say(server: RunwrightServer, site: Site, tmp_path: Path) -> Say:
    """Return what gives a command's exit code and what it said, for the project `cli`."""
    assert server.deploy("cli", sign_in_site.project(site))["status"] == "ready"

    def say(*words: str, typed: str | None = None) -> tuple[int, str]:
        done = command_line.run(server, *words, cwd=tmp_path, typed=typed)
        return done.returncode, done.stdout.strip() or done.stderr.strip()

    return say


def test_a_session_from_its_making_to_its_end(site: Site, say: Say) -> None:
    made = say("auth-sessions", "create", "cli", "anna", typed=json.dumps(site.parameters))
    shown = json.loads(say("auth-sessions", "show", "cli", "anna")[1])
    site.sign_everyone_out()
    checked = say("auth-sessions", "validate", "cli", "anna", "--only-check")
    mended = say("auth-sessions", "validate", "cli", "anna")
    updated = say("auth-sessions", "update", "cli", "anna", typed=json.dumps(site.parameters))
    removed = say("auth-sessions", "delete", "cli", "anna")
    gone = say("auth-sessions", "show", "cli", "anna")

    assert made == mended == updated == (0, "anna")
    assert (shown["type"], shown["status"]) == ("CREDENTIALS", "READY")
    assert checked[0] == 1
    assert "the operation failed" in checked[1]
    assert removed == (0, "removed anna")
    assert gone[0] == 3


def test_a_session_from_a_browser_s_state(site: Site, say: Say, tmp_path: Path) -> None:
    cookie = {"name": "sid", "value": site.sign_in(), "domain": "127.0.0.1", "path": "/"}
    (tmp_path / "state.json").write_text(json.dumps({"cookies": [cookie], "origins": []}))

    uploaded = say("auth-sessions", "upload", "cli", "state.json", "mine")
    listed = json.loads(say("auth-sessions", "list", "cli", "--json")[1])
    table = say("auth-sessions", "list", "cli")[1]
    ran = say("run", "cli", "home", "--auth-session", "mine")
    rotated = say("keys", "rotate-secret")
    unreadable = say("auth-sessions", "upload", "cli", "none.json")

    assert uploaded == (0, "mine")
    assert [(each["id"], each["type"]) for each in listed] == [("mine", "RECORDER")]
    assert "READY" in table
    assert ran == (0, '"Welcome"')
    assert rotated[0] == 0
    assert "secrets with a new key" in rotated[1]
    assert unreadable[0] == 2


def test_a_session_on_the_authors_machine(site: Site, tmp_path: Path) -> None:
    for name, text in sign_in_site.project(site).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "anna.json").write_text(json.dumps(site.parameters))

    def dev(*words: str) -> tuple[int, str, str]:
        done = command_line.run(None, "dev", *words, cwd=tmp_path)
        return done.returncode, done.stdout.strip(), done.stderr

    session = ("--auth-session", "me")
    without = dev("home", *session)
    made = dev("auth-sessions/create", "--params", "@anna.json", *session)
    checked = dev("auth-sessions/check", *session)
    ran = dev("home", *session)
    signed_out = dev("home")
    state = tmp_path / "auth-sessions-instances" / "me" / "state.json"

    assert without[0] == 2
    assert "runwright dev auth-sessions/create" in without[2]
    assert (made[0], checked[:2], ran[:2]) == (0, (0, "true"), (0, '"Welcome"'))
    assert signed_out[:2] == (0, '"Go away"')
    assert state.stat().st_mode & 0o777 == 0o600
