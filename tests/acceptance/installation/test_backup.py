"""Backups made while serving, and what a restore brings back."""

from __future__ import annotations

import subprocess
import tarfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from helpers import command_line
from helpers.server import RunwrightServer, environment, eventually, serving

from runwright.storage.postgres import binaries

_PROJECT = {
    "api/a.py": (
        "from runwright.sdk import persistent_store, save_file\n\n"
        "async def automation(page, params):\n"
        "    await save_file(b'kept', 'a.txt')\n"
        "    seen = await persistent_store.get('n') or 0\n"
        "    await persistent_store.set('n', seen + 1)\n"
        "    import os\n"
        "    return [seen, os.environ.get('SECRET')]\n"
    ),
}


@contextmanager
def _load(server: RunwrightServer) -> Generator[list[str]]:
    """Start Runs one after the other until the block ends; yield their ids as they come."""
    ids: list[str] = []
    stopping = threading.Event()

    def run() -> None:
        while not stopping.is_set():
            ids.append(server.start("p", "a", {}))
            server.result("p", ids[-1])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ids
    finally:
        stopping.set()
        thread.join()


def test_a_backup_made_while_runs_come_in_is_whole(tmp_path: Path) -> None:
    name = "backup.tar"
    with serving(tmp_path / "data") as server:
        server.deploy("p", _PROJECT)
        with server.client() as client:
            client.put("/projects/p/variables/SECRET", json={"value": "hush"})
        with _load(server) as ids:
            eventually(lambda: len(ids) > 3)
            before = list(ids[:-1])
            made = command_line.run(
                None, "backup", name, "--data-dir", str(tmp_path / "data"), cwd=tmp_path
            )
        again = command_line.run(
            None, "backup", name, "--data-dir", str(tmp_path / "data"), cwd=tmp_path
        )
    restored = tmp_path / "restored"
    found = command_line.run(
        None, "restore", str(tmp_path / name), "--data-dir", str(restored), cwd=tmp_path
    )

    assert made.returncode == 0, made.stderr
    assert "contains the key" in made.stderr
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    assert found.returncode == 0, found.stderr
    with serving(restored) as server:
        for run_id in before:
            detail = server.detail(run_id)
            assert detail["status"] == "completed"
            with server.client() as client:
                for file in detail["files"]:
                    path = f"/projects/p/run/{run_id}/files/{file['id']}"
                    assert client.get(path).status_code == 200
        seen, secret = server.run("p", "a", {})["result"]
        assert (seen >= len(before), secret) == (True, "hush")


def test_a_backup_holds_secrets_sealed_and_the_key_in_a_file_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.deploy("p", {"api/a.py": "async def automation(page, params):\n    return 1\n"})
        with server.client() as client:
            client.put("/projects/p/variables/SECRET", json={"value": "hush-hush"})
        proxy = "http://user:hush-hush@127.0.0.1:9"
        run_id = server.start("p", "a", {}, proxy=proxy)
        server.result("p", run_id)
        made = command_line.run(
            None, "backup", "backup", "--data-dir", str(tmp_path / "data"), cwd=tmp_path
        )
    key = (tmp_path / "backup" / "secret.key").read_text().split()[0]

    shown = subprocess.run(
        [binaries.wheel() / "pg_restore", "--file=-", tmp_path / "backup" / "database.dump"],
        env=environment(**binaries.ENVIRONMENT),
        capture_output=True,
        check=True,
    ).stdout

    assert made.returncode == 0, made.stderr
    assert run_id.encode() in shown
    # Bytes are written in hexadecimal.
    for secret in (b"hush-hush", key.encode()):
        assert secret not in shown
        assert secret.hex().encode() not in shown


def test_a_restore_leaves_alone_what_is_there_and_nothing_of_what_is_no_backup(
    tmp_path: Path,
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    with tarfile.open(tmp_path / "other.tar", "w"):
        """Empty."""

    def restore(source: str, target: Path) -> tuple[int, str]:
        done = command_line.run(
            None, "restore", str(tmp_path / source), "--data-dir", str(target), cwd=tmp_path
        )
        return done.returncode, done.stderr

    assert restore("other.tar", taken)[0] == 2
    assert [entry.name for entry in taken.iterdir()] == ["mine"]
    for source in ("other.tar", "missing.tar"):
        code, said = restore(source, tmp_path / "new")
        assert (code, "is not a backup" in said) == (2, True)
        assert list((tmp_path / "new").iterdir()) == []


def test_a_backup_of_what_is_not_served_starts_its_database(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.deploy("p", _PROJECT)
        run_id = server.start("p", "a", {})
        server.result("p", run_id)

    made = command_line.run(
        None, "backup", "backup", "--data-dir", str(tmp_path / "data"), cwd=tmp_path
    )
    found = command_line.run(
        None, "restore", "backup", "--data-dir", str(tmp_path / "restored"), cwd=tmp_path
    )
    none = command_line.run(None, "backup", "x", "--data-dir", str(tmp_path / "no"), cwd=tmp_path)

    assert made.returncode == 0, made.stderr
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "restored" / "blobs" / "runs").is_dir()
    assert sorted(entry.name for entry in (tmp_path / "backup").iterdir()) == [
        "blobs",
        "connection.json",
        "database.dump",
        "manifest.json",
        "secret.key",
    ]
    assert (none.returncode, "no database" in none.stderr) == (2, True)
