"""Where an embedded PostgreSQL's cluster is, who owns it, and the errors when it cannot be used."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest
from helpers.server import eventually_async

from runwright.errors import ConfigError
from runwright.storage.postgres import binaries, cluster_homes, embedded

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="as another user all is one's own")


@pytest.fixture(name="open_path")
def _open_path() -> Generator[Path]:
    """Return a directory that every user may pass through, as tests' own are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


async def _write(directory: Path) -> None:
    async with embedded.run(directory) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept (n int)")
        await connection.close()


async def _is_kept(directory: Path) -> bool:
    async with embedded.run(directory) as server:
        connection = await asyncpg.connect(server.url)
        found = await connection.fetchval("SELECT to_regclass('kept') IS NOT NULL")
        await connection.close()
    return bool(found)


async def test_sockets_lie_beside_the_cluster_or_in_a_short_place_and_nothing_of_them_stays(
    open_path: Path,
) -> None:
    long = open_path / ("long" * 30)
    long.mkdir(mode=0o755)
    for directory in (open_path / "pg", long / "pg", open_path / "a, 'b' c"):
        async with embedded.run(directory) as server:
            sockets = server._place.sockets
            assert list(sockets.glob(".s.PGSQL*"))
        assert not sockets.exists()


async def test_sockets_that_a_killed_server_left_go_at_the_next_start(open_path: Path) -> None:
    directory = open_path / ("long" * 30)
    program = textwrap.dedent(f"""
        import asyncio, os, signal, pathlib
        from runwright.storage.postgres import embedded
        async def main():
            async with embedded.run(pathlib.Path({str(directory)!r})) as server:
                print(server._place.sockets, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """)
    killed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    left = Path(killed.stdout.strip())
    assert left.name.startswith("runwright-")
    assert left.is_dir()

    async with embedded.run(directory):
        assert not left.exists()


@needs_root
async def test_a_copy_of_the_programs_that_somebody_removed_is_made_anew_at_a_restart(
    open_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the test's own: others use the machine's.
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORY", open_path / "system")
    async with embedded.run(open_path / "pg") as server:
        first, copy = server.pid, server._place.programs.parents[2]
        shutil.rmtree(copy)
        os.kill(first, signal.SIGKILL)

        async def is_back() -> bool:
            try:
                await (await asyncpg.connect(server.url)).close()
            except (OSError, asyncpg.PostgresError):
                return False
            return server.pid != first

        await eventually_async(is_back)
        assert copy.is_dir()
    assert not copy.exists()


@needs_root
async def test_below_a_closed_folder_the_cluster_lies_elsewhere_and_is_found_again(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    directory = tmp_path / "pg"
    await _write(directory)
    home = cluster_homes.home(directory)
    assert home is not None

    assert not home.is_relative_to(tmp_path)
    assert await _is_kept(directory)
    assert home not in _abandoned(tmp_path)
    # It may be moved with all that is in it.
    moved = directory.rename(tmp_path / "moved")
    assert _abandoned(tmp_path)[home] == directory
    assert home not in _abandoned(moved)
    assert await _is_kept(moved)
    assert home not in _abandoned(tmp_path)
    # A copy that used it and is gone does not make it abandoned.
    shutil.copytree(moved, tmp_path / "copy")
    assert await _is_kept(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
    assert home not in _abandoned(tmp_path)
    # Ours, so it is opened again where an umask or a person closed it.
    home.parent.chmod(0o700)
    assert await _is_kept(moved)
    shutil.rmtree(moved)
    assert _abandoned(tmp_path)[home] == moved
    shutil.rmtree(home)


def _abandoned(directory: Path) -> dict[Path, Path]:
    return dict(cluster_homes.abandoned(directory))


@needs_root
async def test_a_cluster_that_is_gone_is_never_begun_anew_in_silence(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory = tmp_path / "pg"
    await _write(directory)
    home = cluster_homes.home(directory)
    assert home is not None
    shutil.rmtree(home)

    with pytest.raises(ConfigError, match=f"was in {home}, which is gone"):
        await _is_kept(directory)


@needs_root
async def test_a_copy_of_a_data_directory_does_not_stop_the_database_of_the_first(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    directory = tmp_path / "pg"
    await _write(directory)
    shutil.copytree(directory, tmp_path / "copy")

    async with embedded.run(directory) as server:
        with pytest.raises(ConfigError, match="runwright backup"):
            await _is_kept(tmp_path / "copy")
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    cluster_homes.remove(directory)


@needs_root
async def test_root_goes_on_with_the_cluster_of_another_user_as_that_user(open_path: Path) -> None:
    directory = open_path / "pg"
    await _write(directory)
    nobody = pwd.getpwnam("nobody")
    for path in (directory, *directory.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    directory.chmod(0o700)

    async with embedded.run(directory) as server:
        owner = Path(f"/proc/{server.pid}").stat().st_uid

    assert owner == nobody.pw_uid
    assert await _is_kept(directory)


@needs_root
async def test_a_cluster_that_root_owns_says_what_to_do(open_path: Path) -> None:
    directory = open_path / "pg"
    await _write(directory)
    os.chown(directory / "cluster", 0, 0)

    with pytest.raises(ConfigError, match=r"belongs to root.*chown -R runwright: "):
        await _is_kept(directory)


@needs_root
async def test_a_folder_that_was_closed_afterwards_is_named(open_path: Path) -> None:
    directory = open_path / "between" / "pg"
    await _write(directory)
    directory.parent.chmod(0o700)

    with pytest.raises(ConfigError, match=f"chmod a\\+x {directory.parent}`"):
        await _is_kept(directory)

    assert directory.parent.stat().st_mode & 0o777 == 0o700


@needs_root
async def test_the_layout_of_earlier_versions_is_found(open_path: Path) -> None:
    directory = open_path / "pg"
    await _write(directory)
    owned = directory / "owned"
    owned.mkdir(mode=0o700)
    user = pwd.getpwnam("runwright")
    os.chown(owned, user.pw_uid, user.pw_gid)
    (directory / "cluster").rename(owned / "cluster")

    assert await _is_kept(directory)
    assert not (directory / "cluster").exists()


@needs_root
def test_another_user_is_told_whose_the_cluster_is(open_path: Path) -> None:
    pointed, others = open_path / "pointed", open_path / "others"
    (others / "cluster").mkdir(parents=True)
    pointed.mkdir()
    (pointed / "cluster-is-in").write_text("/var/lib/runwright/clusters/1\n")
    program = (
        "import os, pathlib\nfrom runwright.storage.postgres import cluster\nfrom runwright.errors import ConfigError\n"
        "os.setuid(65534)\n"
        f"for folder in ({str(pointed)!r}, {str(others)!r}):\n"
        "    try: cluster.prepare(pathlib.Path(folder))\n"
        "    except ConfigError as error: print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    first, second = done.stdout.splitlines()
    assert "was created by root and is in /var/lib/runwright/clusters/1" in first
    assert "belongs to the user `root`: start as that user" in second
