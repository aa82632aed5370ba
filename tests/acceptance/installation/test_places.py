"""An installed Runwright works wherever it is installed, whoever runs it, whatever the environment."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from helpers import places
from helpers.places import Person
from helpers.server import alive_below

is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root can become another user")
_TITLE = "größer 日本"
_PROJECT = {
    "api/title.py": (
        "async def automation(page, params):\n"
        f"    await page.goto('data:text/html;charset=utf-8,<h1>{_TITLE}</h1>')\n"
        "    return await page.locator('h1').inner_text()\n"
    )
}
_IN_CHROMIUM = {**_PROJECT, "pyproject.toml": '[tool.runwright]\nbrowser = "chromium"\n'}


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return places.make_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(name="make")
def _make() -> Generator[Callable[..., Path]]:
    """Return what makes a folder below another, with the mode; it goes in the end with all that belongs to it."""
    made: list[Path] = []

    def make(below: str | Path, name: str = "", mode: int = 0o700) -> Path:
        top = Path(tempfile.mkdtemp(prefix="runwright-place-", dir=below))
        top.chmod(mode)
        made.append(top)
        folder = top / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        return folder

    yield make
    for top in made:
        places.forget(top)


def _modes(folder: Path) -> list[int]:
    return [stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.parents)]


def _does_its_job(installed: places.Installed, files: dict[str, str] = _PROJECT) -> None:
    before = _modes(installed.folder)
    with installed.serving():
        found = installed.deploy_and_run(files, "title")
        assert alive_below(installed.data_dir)

    assert found == _TITLE
    assert alive_below(installed.data_dir) == []
    assert _modes(installed.folder) == before


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_in_a_closed_folder_of_ones_home(
    umask: int, wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make(Path.home())
    person = Person(umask=umask, variables={"HOME": str(Path.home())})

    _does_its_job(places.install(folder, person, wheel))


def test_in_a_path_with_spaces_and_letters_beyond_ascii(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/tmp", 'größe "日本" $HOME, 100%', 0o755)

    _does_its_job(places.install(folder, Person(), wheel))


@needs_root
def test_as_another_user_with_a_closed_home_that_no_variable_names(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/tmp")
    person = Person(user=pwd.getpwnam("nobody"), umask=0o077)
    installed = places.install(folder, person, wheel)
    # Of what is installed nothing is open to others.
    assert not (folder / "venv/bin").stat().st_mode & 0o077

    _does_its_job(installed, _PROJECT | {"requirements.txt": "six\n"})


@needs_root
def test_who_serves_after_root_did_is_told_to_take_the_files_back(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/tmp", "", 0o755)
    nobody = places.install(folder, Person(user=pwd.getpwnam("nobody")), wheel)
    root = places.Installed(folder=folder, person=Person())
    # As an earlier version left it.
    nobody.data_dir.mkdir(mode=0o711)
    (nobody.data_dir / "deployments").mkdir(mode=0o755)
    os.chown(nobody.data_dir, 65534, 65534)
    os.chown(nobody.data_dir / "deployments", 65534, 65534)
    with nobody.serving():
        closed = stat.S_IMODE((nobody.data_dir / "deployments").stat().st_mode)
    with root.serving():
        pass

    refused = nobody.run("serve", "--port", "0")
    said = refused.stderr.split("`")[1]
    subprocess.run(said.split(), check=True)
    with nobody.serving():
        pass

    assert closed == 0o700
    assert refused.returncode == 2
    assert said == f"chown -R 65534 {nobody.data_dir}"


@needs_root
def test_a_user_whom_the_machine_does_not_know_is_told_what_to_do(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/tmp")
    unknown = pwd.struct_passwd(("", "", 54_321, 54_321, "", "", ""))

    refused = places.install(folder, Person(user=unknown), wheel).run("serve", "--port", "0")

    assert refused.returncode == 2
    assert "The user id 54321 has no entry in /etc/passwd" in refused.stderr
    assert "RUNWRIGHT_DATABASE_URL" in refused.stderr


def test_with_long_paths_and_a_home_that_cannot_be(wheel: Path, make: Callable[..., Path]) -> None:
    folder = make("/tmp", "long" * 40, 0o755)
    (folder / "tmp").mkdir()
    variables = {"HOME": "/nonexistent", "TMPDIR": str(folder / "tmp"), "TZ": "Nowhere/None"}

    _does_its_job(places.install(folder, Person(variables=variables), wheel), _IN_CHROMIUM)

    assert list((folder / "tmp").glob("r*")) == []


@needs_root
def test_installed_where_nothing_can_be_written(wheel: Path, make: Callable[..., Path]) -> None:
    folder = make("/tmp", "", 0o755)
    script = (
        f"mount --bind '{folder}/venv' '{folder}/venv'; mount -o remount,ro,bind '{folder}/venv'"
    )
    within = ("unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh")

    _does_its_job(places.install(folder, Person(within=within), wheel))


@needs_root
def test_where_root_can_write_the_data_directory_alone(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/opt", "", 0o755)
    script = (
        f"mount --bind '{folder}' '{folder}'; mount -t tmpfs tmpfs /tmp; mount --bind / /mnt; "
        f"mount --bind '{folder}' '/mnt{folder}'; mount --rbind /proc /mnt/proc; mount --rbind /dev /mnt/dev; "
        'mount --bind /tmp /mnt/tmp; mount -o remount,ro,bind /mnt; exec chroot /mnt "$@"'
    )
    within = ("unshare", "--mount", "sh", "-ec", script, "sh")

    _does_its_job(places.install(folder, Person(within=within), wheel))


@needs_root
def test_where_there_is_no_temporary_folder_it_says_so(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/opt", "", 0o755)
    # Below /proc nothing can be made.
    script = 'cd /proc; for each in /tmp /var/tmp /dev/shm /run; do mount --bind /proc $each; done; exec "$@"'
    within = ("unshare", "--mount", "sh", "-ec", script, "sh")
    person = Person(within=within, variables={"TMPDIR": "/nonexistent"})

    refused = places.install(folder, person, wheel).run("serve", "--port", "0")

    assert refused.returncode == 2, refused.stderr
    assert "error: No temporary folder is suitable" in refused.stderr
    assert "TMPDIR" in refused.stderr


@needs_root
def test_where_the_temporary_folder_and_shared_memory_run_no_programs(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/opt", "", 0o755)
    script = (
        "mount -t tmpfs -o noexec,nosuid,nodev tmpfs /tmp; "
        "mount -t tmpfs -o noexec,size=1m tmpfs /dev/shm"
    )
    within = ("unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh")

    _does_its_job(places.install(folder, Person(within=within), wheel), _IN_CHROMIUM)


@needs_root
def test_where_the_data_directory_runs_no_programs_it_says_so(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/opt", "", 0o755)
    installed = places.install(folder, Person(), wheel)
    installed.data_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "noexec,mode=755", "tmpfs", str(installed.data_dir)]
    subprocess.run(mount, check=True)
    try:
        with installed.serving():
            found = installed.deploy_and_run(_PROJECT, "title")
            (folder / "project/requirements.txt").write_text("six\n")
            refused = installed.run("deploy", str(folder / "project"), "--project", "p")
            looked = installed.run("doctor")
    finally:
        subprocess.run(["umount", str(installed.data_dir)], check=True)

    assert found == _TITLE
    assert refused.returncode == 1
    assert "mounted `noexec`" in refused.stderr
    assert "mounted `noexec`" in looked.stdout


@needs_root
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    wheel: Path, make: Callable[..., Path]
) -> None:
    nowhere = "http://127.0.0.1:9"
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    folder = make("/tmp", "", 0o755)

    _does_its_job(places.install(folder, Person(variables=dict.fromkeys(names, nowhere)), wheel))


def test_a_data_directory_that_cannot_be_is_a_clear_error(
    wheel: Path, make: Callable[..., Path]
) -> None:
    folder = make("/tmp", "", 0o755)
    installed = places.install(folder, Person(), wheel)
    (folder / "file").touch()
    for path in (folder / "file", folder / "file" / "below", folder / "a:b", "/proc/none"):
        refused = installed.run("serve", "--port", "0", "--data-dir", str(path))

        assert refused.returncode == 2, refused.stderr
        assert refused.stderr.startswith(f"error: {path} cannot be the data directory: ")
        assert "--data-dir" in refused.stderr
    assert not (folder / "a:b").exists()
