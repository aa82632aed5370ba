"""Fixtures of all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support import RunwrightServer, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunwrightServer]:
    """One server for the tests that do not break it."""
    with serving(tmp_path_factory.mktemp("server") / "data", RUNWRIGHT_RETRY_DELAY="0.1") as found:
        yield found
