"""An operator with some providers configured, without keys, and with spending limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import attempts
from helpers.attempts import Attempt
from helpers.server import RunwrightServer, serving
from outside.providers import Provider

PRICES = """{
  "half": {"input": 0, "output": 100000},
  "free": {"input": 0, "output": 0},
  "dear": {"input": 0, "output": 1000000},
  "day": {"input": 1000000, "output": 1000000}
}"""
"""Five tokens of output, which every answer has, are 0.5, 0 and 5 USD; of the last an answer is 15 USD."""


@pytest.fixture(scope="module")
def careful(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunwrightServer]:
    """An installation with limits, whose operator has no key of Anthropic and a server of Google's protocol without keys."""
    settings = {
        "RUNWRIGHT_OPENAI_URL": provider.url,
        "RUNWRIGHT_OPENAI_API_KEY": "short",
        "RUNWRIGHT_GOOGLE_URL": provider.url,
        "RUNWRIGHT_MODEL_PRICES": PRICES,
        "RUNWRIGHT_MODEL_RUN_LIMIT_USD": "1.00",
        "RUNWRIGHT_MODEL_PROJECT_LIMIT_USD": "2",
        "RUNWRIGHT_MODEL_DAY_LIMIT_USD": "20",
    }
    with serving(tmp_path_factory.mktemp("careful") / "data", **settings) as server:
        yield server


def _chat(attempt: Attempt, model: str, **more: Any) -> tuple[int, Any]:
    answer = attempt.ask("/v1/chat/completions", {"model": model, "messages": [], **more})
    return answer.status_code, answer.json()


def test_a_provider_without_a_key_names_what_to_set(
    careful: RunwrightServer, provider: Provider, tmp_path: Path
) -> None:
    with attempts.under_way(careful, tmp_path, project="keys") as attempt:
        missing = attempt.ask("/v1/messages", {"model": "free"})
        local = attempt.ask("/models/free:generateContent", {})
        with attempt.client() as client:
            known = client.get(attempt.base).json()

    assert missing.status_code == 501
    assert "`RUNWRIGHT_ANTHROPIC_API_KEY`" in missing.json()["message"]
    assert missing.headers["x-should-retry"] == "false"
    assert local.status_code == 200
    assert "x-goog-api-key" not in provider.asked[-1].headers
    assert known == {"providers": ["openai", "google"]}


def test_a_run_spends_no_more_than_it_may_nor_does_its_project(
    careful: RunwrightServer, tmp_path: Path
) -> None:
    found: list[list[int]] = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        with attempts.under_way(careful, folder, project="spends") as attempt:
            found.append([_chat(attempt, "half")[0] for _ in range(3)])
            status, refused = _chat(attempt, "half")
            free, _ = _chat(attempt, "free")

            assert (status, free) == (402, 200)
            assert (refused["code"], refused["category"]) == ("payment-required", "billing")
            which = "PROJECT_LIMIT" if number else "RUN_LIMIT"
            if number != 1:
                assert f"RUNWRIGHT_MODEL_{which}_USD" in refused["message"]
        assert careful.detail(attempt.run_id)["modelCostUsd"] == (0 if number == 2 else 1)

    assert found == [[200, 200, 402], [200, 200, 402], [402] * 3]


@pytest.mark.parametrize("most", [5, 1_000_000], ids=["as it says", "far less than it says"])
def test_many_calls_at_once_do_not_run_past_a_limit(
    careful: RunwrightServer, tmp_path: Path, most: int
) -> None:
    statuses: list[int] = []
    with attempts.under_way(careful, tmp_path, project="at-once") as attempt:
        threads = [
            threading.Thread(
                target=lambda: statuses.append(_chat(attempt, "half", max_tokens=most)[0])
            )
            for _ in range(20)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert sorted(statuses) == [200] * 2 + [402] * 18
    assert careful.detail(attempt.run_id)["modelCostUsd"] == 1


def test_a_limit_is_passed_by_one_call_alone(careful: RunwrightServer, tmp_path: Path) -> None:
    with attempts.under_way(careful, tmp_path, project="dear") as attempt:
        statuses = [_chat(attempt, "dear", max_tokens=1)[0] for _ in range(2)]

    assert statuses == [200, 402]
    assert careful.detail(attempt.run_id)["modelCostUsd"] == 5


def test_a_model_without_a_price_is_refused(careful: RunwrightServer, tmp_path: Path) -> None:
    with attempts.under_way(careful, tmp_path, project="keys") as attempt:
        status, refused = _chat(attempt, "unheard-of")

    assert status == 400
    assert refused["code"] == "model-not-priced"
    assert "RUNWRIGHT_MODEL_PRICES" in refused["message"]


def test_the_day_has_its_limit_for_all_projects(careful: RunwrightServer, tmp_path: Path) -> None:
    # It comes last: nothing is left to spend for any other.
    found: list[tuple[int, Any]] = []
    for project in ("keys", "last"):
        folder = tmp_path / project
        folder.mkdir()
        with attempts.under_way(careful, folder, project=project) as attempt:
            found += [_chat(attempt, "day"), _chat(attempt, "free")]

    assert [status for status, _ in found] == [200, 200, 402, 200]
    refused = found[2][1]
    assert "RUNWRIGHT_MODEL_DAY_LIMIT_USD" in refused["message"]
    assert refused["retirable"] is True
