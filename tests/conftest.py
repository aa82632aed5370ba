"""Fixtures for all tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from helpers import many
from helpers.server import RunwrightServer, serving

_CHAOS_SEED = "4711"
# How long an example takes is a matter of what else the machine does.
hypothesis.settings.register_profile("runwright", deadline=None)
hypothesis.settings.load_profile("runwright")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how long the chaos lasts, and which; what is fuzzed with; and what the tests' server is."""
    parser.addoption("--many", action="store_true", help="the server is two, with three workers")
    parser.addoption(
        "--chaos-minutes", default="0.25", help="how long tests/fault/test_chaos.py does harm"
    )
    parser.addoption(
        "--fuzz-seed", default=None, help="what tests/contract/test_openapi.py printed as it failed"
    )
    parser.addoption(
        "--chaos-seed",
        default=_CHAOS_SEED,
        help="which faults it draws, and when; `make chaos` has others each time",
    )
    parser.addoption(
        "--machine-examples", type=int, default=40, help="how many lives a state machine has"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest come first: else a process is left alone with it at the end."""
    items.sort(key=lambda item: "fault" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _no_cluster_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the clusters that root's servers keep outside data directories which others cannot enter."""
    yield
    for depth in range(1, 6):
        for pointer in tmp_path_factory.getbasetemp().glob("*/" * depth + "cluster-is-in"):
            shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunwrightServer]:
    """One server for the tests that do not break it, or several that look like one."""
    settings = {
        "RUNWRIGHT_RETRY_DELAY": "0.1",
        "RUNWRIGHT_METRICS_TOKEN": "metrics of tests",
    }
    if request.config.getoption("--many"):
        with many.cluster(tmp_path_factory.mktemp("many"), settings) as cluster:
            yield many.entrance(cluster)
    else:
        with serving(tmp_path_factory.mktemp("server") / "data", **settings) as found:
            yield found
