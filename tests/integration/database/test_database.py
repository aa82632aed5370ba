"""The embedded PostgreSQL and the migrations, on it and on Debian's."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from helpers.server import environment, eventually, eventually_async, line_of, serving

from runwright.errors import ConfigError
from runwright.storage import database
from runwright.storage.postgres import binaries, embedded

_MIGRATIONS = Path(database.__file__).parent / "migrations"


@pytest.fixture(name="open_path")
def _open_path() -> Generator[Path]:
    """Return a directory that every user may pass through, as tests' own are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


async def _execute(url: str, *statements: str) -> Any:
    connection: Any = await asyncpg.connect(url)
    try:
        return [await connection.fetch(statement) for statement in statements][-1]
    finally:
        await connection.close()


async def test_a_killed_postmaster_is_started_again_with_every_row(open_path: Path) -> None:
    async with embedded.run(open_path / "pg") as server:
        await _execute(server.url, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
        first = server.pid
        os.kill(first, signal.SIGKILL)

        async def is_back() -> bool:
            try:
                return server.pid != first and bool(await _execute(server.url, "SELECT n FROM t"))
            except (OSError, asyncpg.PostgresError):
                return False

        await eventually_async(is_back, within=60)


async def test_it_starts_again_after_everything_was_killed(open_path: Path) -> None:
    program = textwrap.dedent(f"""
        import asyncio, asyncpg
        from runwright.storage.postgres import embedded
        async def main():
            async with embedded.run(__import__("pathlib").Path({str(open_path / "pg")!r})) as server:
                connection = await asyncpg.connect(server.url)
                await connection.execute("CREATE TABLE t (n int)")
                await connection.execute("INSERT INTO t VALUES (1)")
                print(server.pid, flush=True)
                await asyncio.sleep(300)
        asyncio.run(main())
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    postmaster = int(await asyncio.to_thread(line_of, process))
    process.kill()
    os.kill(postmaster, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    async with embedded.run(open_path / "pg") as server:
        assert len(await _execute(server.url, "SELECT n FROM t")) == 1


async def test_a_half_made_cluster_is_made_anew(open_path: Path) -> None:
    for home in (open_path / "pg" / "owned", open_path / "pg"):
        (home / "cluster.building" / "base").mkdir(parents=True)

    async with embedded.run(open_path / "pg") as server:
        assert await _execute(server.url, "SELECT 1")


async def test_two_on_one_directory_is_a_clear_error(open_path: Path) -> None:
    async with embedded.run(open_path / "pg"):
        with pytest.raises(ConfigError, match=rf"Process {os.getpid()} is already using"):
            async with embedded.run(open_path / "pg"):
                """Never here."""


async def test_it_leaves_no_process_and_no_permission_changed(tmp_path: Path) -> None:
    parents = [tmp_path, *tmp_path.parents]
    before = [each.stat().st_mode for each in parents]

    async with embedded.run(tmp_path / "data" / "pg") as server:
        pid = server.pid

    assert not psutil.pid_exists(pid)
    assert [each.stat().st_mode for each in parents] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_serve_works_as_another_user_than_root(open_path: Path) -> None:
    python = _interpreter_for_all(open_path)
    nobody = pwd.getpwnam("nobody")
    home = open_path / "home"
    home.mkdir()
    shutil.chown(home, nobody.pw_uid, nobody.pw_gid)
    with (home.parent / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [python, "-m", "runwright", "serve", "--data-dir", str(home / "d"), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=environment(HOME=str(home)),
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
        )
    assert process.stdout is not None
    line = line_of(process)
    process.send_signal(signal.SIGTERM)

    assert b"is ready" in line, (home.parent / "serve.log").read_text()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def _interpreter_for_all(directory: Path) -> str:
    """Return an interpreter with Runwright in it that every user may read; root's own are closed."""
    system = Path("/usr/bin/python3")
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not system.exists() or subprocess.run([system, "-c", check], check=False).returncode:
        pytest.skip("the system has no Python 3.11 or newer")
    root = Path(__file__).resolve().parents[3]
    uv = str(Path(sys.executable).with_name("uv"))
    venv = directory / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", system, venv], check=True)
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            venv / "bin/python",
            "--constraint",
            root / "constraints.txt",
            root,
        ],
        check=True,
    )
    return str(venv / "bin/python")


async def test_all_steps_in_one_go_equal_one_after_the_other(
    postgresql: str, tmp_path: Path
) -> None:
    files = sorted(_MIGRATIONS.glob("*.sql"))
    schemas: dict[str, str] = {}
    for name, counts in (("at_once", [len(files)]), ("stepwise", range(1, len(files) + 1))):
        await _execute(postgresql, f"CREATE DATABASE {name}")
        url = postgresql.replace("/postgres?", f"/{name}?")
        async with database.connect(url, min_size=1, max_size=2) as pool:
            for count in counts:
                steps = tmp_path / f"{name}-{count}"
                steps.mkdir()
                for file in files[:count]:
                    shutil.copy(file, steps)
                assert await database.migrate(pool, steps)
        schemas[name] = await asyncio.to_thread(_schema, url)

    assert schemas["at_once"] == schemas["stepwise"]
    for kind in ("TABLE", "INDEX", "FUNCTION", "TRIGGER", "SEQUENCE"):
        assert f"\nCREATE {kind} " in schemas["at_once"]


def _schema(url: str) -> str:
    """Return a database's tables, indexes, constraints, functions and triggers, as `pg_dump` writes them."""
    dumped = subprocess.run(
        [binaries.wheel() / "pg_dump", "--schema-only", f"--dbname={url}"],
        env=environment(**binaries.ENVIRONMENT),
        capture_output=True,
        text=True,
        check=True,
    )
    # `\\restrict` has a key that is another each time.
    return "\n".join(line for line in dumped.stdout.splitlines() if not line.startswith("\\"))


async def test_a_step_with_a_lower_number_that_comes_later_is_applied(
    pool: Any, tmp_path: Path
) -> None:
    for file in _MIGRATIONS.glob("*.sql"):
        shutil.copy(file, tmp_path)
    (tmp_path / "0999_pre_high.sql").write_text("CREATE TABLE high (n int);")
    first = await database.migrate(pool, tmp_path)
    (tmp_path / "0998_pre_low.sql").write_text("CREATE TABLE low (n int);")

    second = await database.migrate(pool, tmp_path)

    assert (first, second) == ([999], [998])
    (tmp_path / "0998_pre_again.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigError, match="0998"):
        await database.migrate(pool, tmp_path)


async def test_a_changed_step_and_a_newer_database_are_refused(pool: Any, tmp_path: Path) -> None:
    for file in _MIGRATIONS.glob("*.sql"):
        shutil.copy(file, tmp_path)
    first = tmp_path / "0001_pre_first.sql"
    first.write_text(first.read_text() + "\n-- changed\n")

    with pytest.raises(ConfigError, match="was changed after it was applied"):
        await database.migrate(pool, tmp_path)
    await pool.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '')")
    with pytest.raises(ConfigError, match="at least as new"):
        await database.migrate(pool)


async def test_two_migrations_at_once_apply_every_step_once(postgresql: str) -> None:
    await _execute(postgresql, "CREATE DATABASE contended")
    url = postgresql.replace("/postgres?", "/contended?")
    async with database.connect(url, min_size=4, max_size=4) as pool:
        applied = await asyncio.gather(*(database.migrate(pool) for _ in range(4)))

    assert sum(map(len, applied)) == len(list(_MIGRATIONS.glob("*.sql")))


async def test_a_database_that_cannot_be_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="RUNWRIGHT_DATABASE_URL"):
        async with database.connect("nonsense://", min_size=1, max_size=1):
            """Never here."""


@contextmanager
def _debian_postgresql(directory: Path) -> Generator[str]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("Debian's package `postgresql` is not installed")
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        shutil.chown(directory, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = directory / "debian"
    initdb = [str(found[-1] / "initdb"), "-D", str(data), "-U", "test", "--auth", "trust"]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **user)
    process = subprocess.Popen(
        [
            str(found[-1] / "postgres"),
            "-D",
            str(data),
            "-k",
            str(directory),
            "-c",
            "listen_addresses=",
        ],
        stderr=subprocess.DEVNULL,
        cwd="/",
        **user,
    )
    try:
        eventually((directory / ".s.PGSQL.5432").exists, within=60)
        yield f"postgresql://test@/postgres?host={directory}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def test_a_run_goes_through_on_debians_postgresql(open_path: Path, tmp_path: Path) -> None:
    source = "async def automation(page, params):\n    return params\n"
    with (
        _debian_postgresql(open_path) as url,
        serving(tmp_path / "data", RUNWRIGHT_DATABASE_URL=url) as server,
    ):
        server.deploy("p", {"api/a.py": source})

        assert server.run("p", "a", {"n": 1})["result"] == {"n": 1}
        assert not (tmp_path / "data" / "postgresql").exists()
