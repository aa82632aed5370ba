"""Every installed dependency is pinned, so that new releases are reviewed first."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).resolve().parents[2]


def test_all_that_is_installed_is_pinned_to_its_version() -> None:
    lines = (_ROOT / "constraints.txt").read_text().splitlines()
    pinned: dict[str, str] = {
        canonicalize_name(name): version
        for name, version in (line.split("==") for line in lines if line.strip())
    }

    wanted = _with_all_below("runwright")
    wrong = [
        f"{name}=={version}" for name, version in wanted.items() if pinned.get(name) != version
    ]

    assert len(wanted) > 40
    assert not wrong, "constraints.txt lacks these, or pins other versions"


def test_constraints_are_names_and_versions_alone() -> None:
    lines = (_ROOT / "constraints.txt").read_text().splitlines()

    assert not [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)
    ]


def _with_all_below(name: str) -> dict[str, str]:
    """A distribution's dependencies, direct and transitive, with their installed versions."""
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        for text in metadata.requires(waiting.pop()) or ():
            requirement = Requirement(text)
            key = canonicalize_name(requirement.name)
            is_wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if is_wanted and key not in found:
                found[key] = metadata.version(key)
                waiting.append(key)
    return found
