"""The usage of Model calls is counted, whatever happens to the call and the Run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers import attempts
from helpers.attempts import Attempt
from helpers.server import RunwrightServer, eventually
from outside.providers import Provider, events_of

HAIKU = "claude-haiku-4-5-20251001"
_WHOLE = (8 * 1 + 2 * 0.1 + 5 * 5) / 1_000_000


def _use(server: RunwrightServer, attempt: Attempt, model: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        uses = server.detail(attempt.run_id)["models"]
        return next((each for each in uses if each["model"] == model), None)

    return eventually(found)


def test_every_protocol_is_counted_on_its_run(
    models: RunwrightServer, provider: Provider, tmp_path: Path
) -> None:
    paths = {
        "/v1/messages": HAIKU,
        "/v1/chat/completions": "gpt-5-mini",
        "/v1/responses": "gpt-4o-mini",
        "/models/gemini-2.5-flash:generateContent": "gemini-2.5-flash",
    }
    with attempts.under_way(models, tmp_path, fail=True) as attempt:
        answers = [attempt.ask(path, {"model": model}) for path, model in paths.items()]
        for path, model in paths.items():
            stream = path.replace(":generate", ":streamGenerate")
            attempt.ask(stream, {"model": model, "stream": True})
            attempt.ask(f"{stream}?alt=sse", {"model": model, "stream": True})
        detail = attempt.end()

    assert detail["status"] == "failed"
    assert {each["model"] for each in detail["models"]} == set(paths.values())
    for each in detail["models"]:
        calls = {"calls": 3, "failedCalls": 0, "estimatedCalls": 0, "unpricedCalls": 0}
        tokens = {"inputTokens": 30, "cachedTokens": 6, "cacheWriteTokens": 0, "outputTokens": 15}
        assert {name: each[name] for name in (*calls, *tokens)} == {**calls, **tokens}
    assert detail["models"][0]["costUsd"] == pytest.approx(3 * _WHOLE)
    assert detail["modelCostUsd"] == pytest.approx(
        sum(each["costUsd"] for each in detail["models"])
    )
    cents = [answer.headers["x-ai-cost-in-cents"] for answer in answers]
    assert float(cents[0]) == pytest.approx(_WHOLE * 100, rel=1e-3)


def test_a_chat_that_streams_shows_its_usage_to_who_asked_for_it_alone(
    attempt: Attempt, provider: Provider, models: RunwrightServer
) -> None:
    def chunks(**more: Any) -> list[str]:
        body = {"model": "gpt-5-mini", "stream": True, **more}
        text = attempt.ask("/v1/chat/completions", body).text
        return [line for line in text.split("\n\n") if line]

    plain = chunks()
    asked = chunks(stream_options={"include_usage": True})

    assert len(plain) == len(asked) - 1 == 4
    assert plain[-1] == asked[-1] == "data: [DONE]"
    assert '"usage"' not in "".join(plain)
    assert '"usage"' in asked[-2]
    use = _use(models, attempt, "gpt-5-mini")
    assert (use["calls"], use["estimatedCalls"], use["outputTokens"]) == (2, 0, 10)


def test_a_stream_that_is_left_is_counted_as_far_as_it_came(
    models: RunwrightServer, provider: Provider, tmp_path: Path
) -> None:
    def streams(handler: Any) -> None:
        handler.begin()
        handler.tell(events_of(handler.asked)[0])
        delta = {"type": "text_delta", "text": "word " * 80}
        handler.tell({"type": "content_block_delta", "index": 0, "delta": delta})
        while not handler.provider.goes_on.wait(0.01):
            handler.tell({"type": "ping"})

    provider.misdeeds["claude-sonnet-5"] = streams
    provider.goes_on.clear()
    body = {"model": "claude-sonnet-5", "stream": True}
    with attempts.under_way(models, tmp_path) as attempt:
        with attempt.client() as client, client.stream("POST", "/v1/messages", json=body) as answer:
            lines = answer.iter_lines()
            while not next(lines).endswith('"ping"}'):
                pass
        use = _use(models, attempt, "claude-sonnet-5")

    assert (use["estimatedCalls"], use["inputTokens"], use["cachedTokens"]) == (1, 10, 2)
    assert use["outputTokens"] == 100
    assert use["costUsd"] == pytest.approx((8 * 2 + 2 * 0.2 + 100 * 10) / 1_000_000)


def test_a_provider_that_tells_nothing_is_estimated(
    attempt: Attempt, provider: Provider, models: RunwrightServer
) -> None:
    provider.misdeeds["gpt-4.1"] = lambda handler: handler.say(
        200, {"choices": [{"message": {"content": "x" * 400}}], "usage": {"prompt_tokens": -5}}
    )

    attempt.ask("/v1/chat/completions", {"model": "gpt-4.1", "messages": ["x" * 3000]})

    use = _use(models, attempt, "gpt-4.1")
    assert use["estimatedCalls"] == 1
    assert 1000 <= use["inputTokens"] < 1050
    assert use["outputTokens"] == 100


def test_an_answer_too_large_to_hold_is_counted_by_its_end(
    attempt: Attempt, provider: Provider, models: RunwrightServer
) -> None:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 9}
    image = {"inlineData": {"data": "A" * 6_000_000}}
    provider.misdeeds["gemini-2.5-pro"] = lambda handler: handler.say(
        200, {"candidates": [{"content": {"parts": [image]}}], "usageMetadata": usage}
    )

    found = attempt.ask("/models/gemini-2.5-pro:generateContent", {})

    assert len(found.content) > 6_000_000
    use = _use(models, attempt, "gemini-2.5-pro")
    assert (use["inputTokens"], use["outputTokens"], use["estimatedCalls"]) == (7, 9, 0)


def test_an_error_costs_nothing(
    attempt: Attempt, provider: Provider, models: RunwrightServer
) -> None:
    provider.misdeeds["gpt-4.1-mini"] = lambda handler: handler.say(
        429, {"usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    )

    attempt.ask("/v1/chat/completions", {"model": "gpt-4.1-mini"})

    use = _use(models, attempt, "gpt-4.1-mini")
    assert (use["calls"], use["failedCalls"], use["costUsd"], use["inputTokens"]) == (1, 1, 0, 0)


def test_the_price_is_that_of_the_model_that_answered(
    attempt: Attempt, provider: Provider, models: RunwrightServer
) -> None:
    provider.misdeeds["gpt-5-nano"] = lambda handler: handler.say(
        200, {"model": "gpt-5.5-2026-04-23", "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}}
    )  # fmt: skip

    attempt.ask("/v1/chat/completions", {"model": "gpt-5-nano", "Model": "gpt-5.5"})

    assert _use(models, attempt, "gpt-5-nano")["costUsd"] == 5


def test_a_model_without_a_price_counts_its_tokens(
    attempt: Attempt, models: RunwrightServer
) -> None:
    answer = attempt.ask("/v1/chat/completions", {"model": "unheard-of:8b"})

    use = _use(models, attempt, "unheard-of:8b")
    assert (use["unpricedCalls"], use["inputTokens"], use["costUsd"]) == (1, 10, 0)
    assert "x-ai-cost-in-cents" not in answer.headers


def test_ever_new_names_of_models_are_few_rows(models: RunwrightServer, tmp_path: Path) -> None:
    with attempts.under_way(models, tmp_path) as attempt, attempt.client() as client:
        for number in range(60):
            client.post("/v1/chat/completions", json={"model": f"new-{number}"}).raise_for_status()
        uses = models.detail(attempt.run_id)["models"]

    assert len(uses) == 51
    assert next(each["calls"] for each in uses if each["model"] == "(others)") == 10


def test_checks_and_creates_count_on_their_run(models: RunwrightServer) -> None:
    asks = (
        "import asyncio, json, os, urllib.request\n"
        "from runwright.sdk import get_ai_gateway_config\n"
        "def ask(model):\n"
        "    base, key = get_ai_gateway_config()\n"
        "    request = urllib.request.Request(base + '/v1/chat/completions', json.dumps({'model': model}).encode(),\n"
        "        {'authorization': f'Bearer {key}', 'content-type': 'application/json'})\n"
        "    return json.load(urllib.request.urlopen(request))\n"
    )
    files = {
        "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
        "asks.py": asks,
        "api/a.py": "from asks import ask\nasync def automation(page, params):\n    ask('gpt-5')\n",
        "auth-sessions/create.py": "from asks import ask\nasync def create(page, params):\n    ask('o3')\n",
        "auth-sessions/check.py": "from asks import ask\nasync def check(page):\n    ask('o1')\n    return True\n",
    }
    deployed = models.deploy("signed-in", files)
    assert deployed["status"] == "ready", deployed["error"]
    done = models.operate("signed-in", "create", {"id": "s", "parameters": {}})
    assert done["status"] == "done", done

    run = models.run("signed-in", "a", authSession={"id": "s"})

    assert run["status"] == "completed", run
    used = {each["model"]: each["calls"] for each in models.detail(run["runId"])["models"]}
    assert used == {"gpt-5": 1, "o1": 1}


def test_metrics_tell_of_models_by_the_names_of_their_prices(
    models: RunwrightServer, attempt: Attempt
) -> None:
    attempt.ask("/v1/messages", {"model": HAIKU})
    attempt.ask("/v1/chat/completions", {"model": "of-an-author:1"})

    text = httpx2.get(
        f"{models.url}/metrics", headers={"x-api-key": models.api_key}, timeout=60
    ).text

    of_haiku = '{model="claude-haiku-4-5",outcome="answered",provider="anthropic"}'
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if "runwright_model_" in line)
    names = [line for line in lines if line.startswith("runwright_model_calls_total")]
    assert any(sorted(each) == sorted(f"runwright_model_calls_total{of_haiku}") for each in names)
    assert any('model="other"' in each for each in names)
    assert "of-an-author" not in text
    usd = next(
        float(value)
        for line, value in lines.items()
        if line.startswith("runwright_model_usd_total") and "haiku" in line
    )
    assert usd >= _WHOLE * 0.99
