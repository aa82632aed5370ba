"""A language model provider, an installation that uses it, and an Attempt in progress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import attempts
from helpers.attempts import Attempt
from helpers.server import RunwrightServer, serving
from outside import providers
from outside.providers import Provider


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """One provider that speaks all three protocols."""
    with providers.serving() as found:
        yield found


@pytest.fixture(scope="session")
def models(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunwrightServer]:
    """An installation whose operator has set that provider."""
    with serving(tmp_path_factory.mktemp("models") / "data", **provider.settings()) as server:
        yield server


@pytest.fixture(scope="module")
def attempt(models: RunwrightServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    """One Attempt for tests that do not look at what it has used."""
    with attempts.under_way(models, tmp_path_factory.mktemp("attempt")) as found:
        yield found
