"""Ids that people copy into commands."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from runwright.domain import ids


@pytest.mark.parametrize(
    ("make", "length"),
    [
        (ids.new_run_id, 21),
        (ids.new_job_run_id, 21),
        (ids.new_auth_session_id, 21),
        (ids.new_key_id, 12),
    ],
)
def test_no_id_looks_like_an_option_of_a_command(make: Callable[[], str], length: int) -> None:
    # One in 64 would begin with a hyphen if chance alone decided.
    found = [make() for _ in range(2_000)]

    assert all(re.fullmatch(rf"[A-Za-z0-9_][A-Za-z0-9_-]{{{length - 1}}}", each) for each in found)
    assert len(set(found)) == len(found)
    assert any("-" in each for each in found)
