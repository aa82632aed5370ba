"""Sealing secrets, and reading settings."""

from __future__ import annotations

import os
import pwd
from datetime import timedelta
from pathlib import Path

import pytest

from runwright import config
from runwright.adapters import vault
from runwright.adapters.bundles import project_files
from runwright.cli import bundle
from runwright.errors import ConfigError


def test_what_is_sealed_opens_for_its_record_alone() -> None:
    one = vault.Vault("one")
    sealed = one.seal(b"secret", record="run:1")

    assert one.open(sealed, record="run:1") == b"secret"
    assert b"secret" not in sealed
    assert sealed != one.seal(b"secret", record="run:1")
    for other, record in ((one, "run:2"), (vault.Vault("two"), "run:1")):
        with pytest.raises(ConfigError):
            other.open(sealed, record=record)
    with pytest.raises(ConfigError):
        one.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), record="run:1")


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"

    first = vault.read_or_make_keys(file)

    assert vault.read_or_make_keys(file) == first
    assert file.stat().st_mode & 0o777 == 0o600


def test_settings_are_read_by_their_types() -> None:
    found = config.read(
        {
            "RUNWRIGHT_DATA_DIR": "/d",
            "RUNWRIGHT_SLOTS": "3",
            "RUNWRIGHT_RETRY_DELAY": "0.5",
            "RUNWRIGHT_CHROMIUM_ARGS": "--a '--b c'",
            "RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE": "yes",
            "RUNWRIGHT_PORT": "",
        },
        port=None,
        host="::1",
    )

    assert (found.slots, found.port, found.host) == (3, 8417, "::1")
    assert found.retry_delay == timedelta(seconds=0.5)
    assert found.chromium_args == ("--a", "--b c")
    assert found.webhook_allow_private is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SLOTS", "0"),
        ("SLOTS", "many"),
        ("RETRY_DELAY", "-1"),
        ("LOG_FORMAT", "xml"),
        ("PORT", "x"),
    ],
)
def test_a_wrong_setting_names_its_variable(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"RUNWRIGHT_{name}"):
        config.read({f"RUNWRIGHT_{name}": text})


def test_building_an_environment_sees_none_of_the_platforms_secrets(tmp_path: Path) -> None:
    kept = config.build_environment(
        tmp_path,
        {"RUNWRIGHT_SECRET_KEY": "x", "PGPASSWORD": "y", "HTTPS_PROXY": "z", "HOME": str(tmp_path)},
    )

    assert {name: kept[name] for name in kept if name != "UV_SYSTEM_CERTS"} == {
        "HTTPS_PROXY": "z",
        "HOME": str(tmp_path),
    }


@pytest.mark.parametrize("home", ["/nonexistent", "", "relative"])
def test_environments_are_built_with_a_home_that_can_be_written(home: str, tmp_path: Path) -> None:
    kept = config.build_environment(tmp_path, {"HOME": home})

    assert os.access(kept["HOME"], os.W_OK)


@pytest.mark.parametrize(
    "environ", [{}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": "", "XDG_DATA_HOME": "relative"}]
)
def test_without_a_home_in_the_environment_the_systems_is_taken(environ: dict[str, str]) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir

    assert config.default_data_dir(environ) == Path(home) / ".local/share/runwright"


def test_where_data_is_kept_is_said_by_the_variables_in_their_order() -> None:
    both = {"XDG_DATA_HOME": "/data", "HOME": "/home/anna"}

    assert config.default_data_dir(both) == Path("/data/runwright")
    assert config.default_data_dir(both | {"RUNWRIGHT_DATA_DIR": "/srv"}) == Path("/srv")
    assert config.default_data_dir({"HOME": "/home/anna"}) == Path(
        "/home/anna/.local/share/runwright"
    )


def test_a_bundle_is_the_same_for_the_same_files_and_leaves_out_what_is_ignored(
    tmp_path: Path,
) -> None:
    for name in ("api/a.py", ".env", "skip/b.txt", ".git/config", "api/__pycache__/a.pyc"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / ".gitignore").write_text("skip/\n")

    assert [str(file) for file in project_files.files(tmp_path)] == [".gitignore", "api/a.py"]
    assert bundle.pack(tmp_path) == bundle.pack(tmp_path)


def test_a_bundle_holds_no_links(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "a.py").symlink_to("/etc/passwd")

    with pytest.raises(ConfigError, match=r"api/a\.py is one"):
        bundle.pack(tmp_path)
