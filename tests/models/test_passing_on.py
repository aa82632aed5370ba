"""An Attempt's Model call reaches its provider with the operator's key, and the response comes back unchanged."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers import attempts
from helpers.attempts import Attempt
from helpers.server import RunwrightServer, serving
from outside.providers import KEYS, Provider, events_of

MESSAGES = {"max_tokens": 5, "messages": [{"role": "user", "content": "q"}]}
CHAT = {"messages": [{"role": "user", "content": "q"}]}
RESPONSES = {"input": "q"}
GENERATE = {"contents": [{"parts": [{"text": "q"}]}]}


def _body(path: str, model: str, **more: Any) -> dict[str, Any]:
    plain = next(
        body
        for name, body in (
            ("messages", MESSAGES),
            ("chat", CHAT),
            ("responses", RESPONSES),
            ("", GENERATE),
        )
        if name in path
    )
    return {**plain, **({} if "models/" in path else {"model": model}), **more}


@pytest.mark.parametrize(
    ("path", "at", "key"),
    [
        ("/v1/messages", "/v1/messages", ("x-api-key", "anthropic", "")),
        ("/messages", "/v1/messages", ("x-api-key", "anthropic", "")),
        ("//v1//v1/messages/", "/v1/messages", ("x-api-key", "anthropic", "")),
        ("/v1/messages?beta=true", "/v1/messages?beta=true", ("x-api-key", "anthropic", "")),
        ("/v1/chat/completions", "/v1/chat/completions", ("authorization", "openai", "Bearer ")),
        ("/chat/completions", "/v1/chat/completions", ("authorization", "openai", "Bearer ")),
        ("/v1/responses", "/v1/responses", ("authorization", "openai", "Bearer ")),
        ("/responses", "/v1/responses", ("authorization", "openai", "Bearer ")),
        (
            "/models/m-1:generateContent",
            "/v1beta/models/m-1:generateContent",
            ("x-goog-api-key", "google", ""),
        ),
        (
            "/v1/models/m-2:generateContent",
            "/v1/models/m-2:generateContent",
            ("x-goog-api-key", "google", ""),
        ),
        (
            "/v1beta/models/m-3:streamGenerateContent?alt=sse&fields=candidates&key=x",
            "/v1beta/models/m-3:streamGenerateContent?alt=sse",
            ("x-goog-api-key", "google", ""),
        ),
        (
            "/v1beta1/publishers/google/models/m-4:generateContent",
            "/v1beta/models/m-4:generateContent",
            ("x-goog-api-key", "google", ""),
        ),
    ],
)
def test_a_request_reaches_its_provider(
    attempt: Attempt, provider: Provider, path: str, at: str, key: tuple[str, str, str]
) -> None:
    answer = attempt.ask(path, _body(path, "plain"))

    asked = provider.asked[-1]
    name, of, prefix = key
    assert answer.status_code == 200, answer.text
    assert asked.path == at
    assert asked.headers[name] == prefix + KEYS[of]
    assert attempt.token not in f"{asked.headers}"
    assert {"x-api-key", "authorization", "x-goog-api-key"} & set(asked.headers) == {name}
    if "stream" not in path:
        assert len(answer.json()) > 2


@pytest.mark.parametrize("place", ["authorization", "x-api-key", "x-goog-api-key", "key"])
def test_the_token_is_taken_wherever_a_client_puts_its_key(attempt: Attempt, place: str) -> None:
    headers = {} if place == "key" else {place: attempt.token}
    if place == "authorization":
        headers = {place: f"bearer {attempt.token}"}
    url = f"{attempt.base}/v1/messages" + (f"?key={attempt.token}" if place == "key" else "")

    answer = httpx2.post(url, json=_body("messages", "m"), headers=headers, timeout=60)
    other = httpx2.post(
        url, json=_body("messages", "m"), headers={**headers, "x-api-key": "other"}, timeout=60
    )

    assert answer.status_code == 200
    assert other.status_code == (401 if place == "x-api-key" else 200)


def test_only_an_attempt_that_goes_on_is_let_in(
    models: RunwrightServer, provider: Provider, tmp_path: Path
) -> None:
    def statuses() -> list[int]:
        return [
            httpx2.request(method, url, json=body, headers={"x-api-key": token}, timeout=60).status_code
            for token in (attempt.token, models.api_key, "", f"{attempt.token[:-2]}aa")
            for method, url, body in (
                ("POST", f"{attempt.base}/v1/messages", _body("messages", "let-in")),
                ("GET", attempt.base, None),
            )
        ]  # fmt: skip

    with attempts.under_way(models, tmp_path) as attempt:
        during = statuses()
    afterwards = statuses()

    assert during == [200, 200, *[401] * 6]
    assert afterwards == [401] * 8
    assert len(provider.of_model("let-in")) == 1


def test_another_projects_token_is_refused(
    models: RunwrightServer, attempt: Attempt, tmp_path: Path
) -> None:
    with attempts.under_way(models, tmp_path, project="waits-too") as other:
        headers = {"x-api-key": other.token}
        answer = httpx2.post(
            f"{attempt.base}/v1/messages", json=_body("messages", "m"), headers=headers, timeout=60
        )

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/files",
        "/v1/messages/count_tokens",
        "/v1/messages/batches",
        "/v1/embeddings",
        "/v1/responses/resp_1",
        "/models/m:countTokens",
        "/models/..:generateContent",
        "/models/a%2fb:generateContent",
        "/models/a%3fb:generateContent",
        "/v1/../v1/files",
        "/v1/%2e%2e/%2e%2e/admin",
        "/http://example.com/v1/messages",
        "/v1/messages%0d%0ax:y",
        "/v2/messages",
        "",
    ],
)
def test_no_other_address_of_a_provider_can_be_reached(
    attempt: Attempt, provider: Provider, path: str
) -> None:
    before = len(provider.asked)

    with attempt.client() as client:
        request = client.build_request("POST", f"{attempt.base}/x", json=_body("messages", "m"))
        raw = (httpx2.URL(attempt.base).path + path).encode()
        request.url = request.url.copy_with(raw_path=raw)
        status = client.send(request).status_code

    assert status in (404, 405)
    assert len(provider.asked) == before


def test_what_could_change_who_pays_or_hide_what_was_used_is_not_passed_on(
    attempt: Attempt, provider: Provider
) -> None:
    headers = {
        "anthropic-version": "2024-01-01",
        "anthropic-beta": "one",
        "openai-organization": "mine",
        "x-goog-fieldmask": "candidates",
        "x-intuned-run-id": "r",
        "cookie": "a=b",
        "idempotency-key": "k",
        "x-http-method-override": "GET",
        "forwarded": "for=1.2.3.4",
    }

    attempt.ask("/v1/messages", _body("messages", "headers"), headers=headers)

    sent = provider.of_model("headers")[0].headers
    assert set(sent) == {
        "host", "content-length", "content-type", "accept", "accept-encoding", "user-agent", "connection",
        "x-api-key", "anthropic-version", "anthropic-beta",
    } - ({"connection"} - set(sent))  # fmt: skip
    assert (sent["anthropic-version"], sent["anthropic-beta"]) == ("2024-01-01", "one")
    assert sent["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("path", "more", "named"),
    [
        ("/v1/responses", {"background": True}, "background"),
        ("/v1/responses", {"service_tier": "priority"}, "service_tier"),
        ("/v1/messages", {"speed": "fast"}, "speed"),
        ("/v1/messages", {"model": ""}, "model"),
        ("/v1/messages", {"model": 5}, "model"),
        ("/v1/messages", {"model": "a\nb"}, "model"),
        ("/v1/messages", {"model": "m" * 201}, "model"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_its_name(
    attempt: Attempt, path: str, more: dict[str, Any], named: str
) -> None:
    answer = attempt.ask(path, {**_body(path, "m"), **more})

    assert answer.status_code == 400
    assert answer.json()["details"][0]["path"] == named
    assert f"`{named}`" in answer.json()["message"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"5", b'{"model": NaN}', b"\xff", b"[" * 100_000]
)
def test_a_body_that_is_no_object_is_a_400(attempt: Attempt, raw: bytes) -> None:
    with attempt.client() as client:
        answer = client.post("/v1/messages", content=raw)

    assert answer.status_code == 400
    assert answer.json()["code"] == "validation-error"


def test_a_body_means_the_same_to_us_and_to_the_provider(
    attempt: Attempt, provider: Provider
) -> None:
    token = attempt.token
    raw = (
        f'{{"model": "cheap", "model": "twice", "messages": ["é \\ud83d\\ude00 {token}"], '
        '"big": 123456789012345678901234567890, "small": 0.1}'
    ).encode()

    with attempt.client() as client:
        client.post("/v1/messages", content=raw)

    assert [each.body for each in provider.asked if each.body.get("big")] == [
        {
            "model": "twice",
            "messages": ["é 😀 ***"],
            "big": 123456789012345678901234567890,
            "small": 0.1,
        }
    ]


def test_large_images_pass(attempt: Attempt, provider: Provider) -> None:
    image = "A" * (20 * 1024 * 1024)

    found = attempt.ask("/v1/messages", _body("messages", "image", image=image))
    refused = attempt.ask("/v1/messages", _body("messages", "too-large", image=image + image))

    assert found.status_code == 200
    assert provider.of_model("image")[0].body["image"] == image
    assert refused.status_code == 413
    assert provider.of_model("too-large") == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages",
        "/v1/chat/completions",
        "/v1/responses",
        "/models/waits-1:streamGenerateContent?alt=sse",
        "/models/waits-2:streamGenerateContent",
    ],
)
def test_a_stream_comes_as_it_is_sent(attempt: Attempt, provider: Provider, path: str) -> None:
    model = path.rpartition("/")[2].partition(":")[0] if "models/" in path else "waits"

    def waits(handler: Any) -> None:
        handler.begin(
            "text/event-stream" if "alt" in path or "models" not in path else "application/json"
        )
        events = events_of(handler.asked)
        handler.tell(events[0])
        assert handler.provider.goes_on.wait(60)
        handler.tell(*events[1:])

    provider.misdeeds[model] = waits
    provider.goes_on.clear()
    with attempt.client() as client, client.stream("POST", path, json=_body(path, model, stream=True)) as answer:  # fmt: skip
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))
        provider.goes_on.set()
        rest = [line for line in lines if line.startswith("data:")]

    # What we alone have asked for is kept from the author.
    events = [each for each in events_of(provider.asked[-1]) if each.get("choices") != []]
    assert [json.loads(line[5:]) for line in (first, *rest)] == events


def test_leaving_ends_what_the_provider_does(attempt: Attempt, provider: Provider) -> None:
    def streams(handler: Any) -> None:
        handler.begin()
        while not handler.provider.goes_on.wait(0.01):
            handler.tell({"type": "ping"})

    provider.misdeeds["leave"] = streams
    provider.goes_on.clear()
    provider.left.clear()
    body = _body("messages", "leave", stream=True)
    with attempt.client() as client, client.stream("POST", "/v1/messages", json=body) as answer:
        next(answer.iter_lines())

    assert provider.left.wait(30)


def test_leaving_before_the_answer_ends_it_too(attempt: Attempt, provider: Provider) -> None:
    closed = threading.Event()

    def hangs(handler: Any) -> None:
        # Nothing comes but the end of the connection.
        assert handler.rfile.read(1) == b""
        closed.set()
        handler.close_connection = True

    provider.misdeeds["hangs"] = hangs
    with attempt.client() as client, pytest.raises(httpx2.ReadTimeout):
        client.post("/v1/messages", json=_body("messages", "hangs"), timeout=0.5)

    assert closed.wait(30)


def test_the_end_of_an_attempt_ends_what_it_still_asks(
    models: RunwrightServer, provider: Provider, tmp_path: Path
) -> None:
    def streams(handler: Any) -> None:
        handler.begin()
        while not handler.provider.goes_on.wait(0.01):
            handler.tell({"type": "ping"})

    provider.misdeeds["outlives"] = streams
    provider.goes_on.clear()
    body = _body("messages", "outlives", stream=True)
    with (
        attempts.under_way(models, tmp_path) as attempt,
        attempt.client() as client,
        client.stream("POST", "/v1/messages", json=body) as answer,
    ):
        chunks = answer.iter_bytes()
        next(chunks)
        attempt.end()
        with pytest.raises(httpx2.RemoteProtocolError):
            for _ in chunks:
                pass


def test_many_at_once_take_turns(attempt: Attempt, provider: Provider) -> None:
    most, now = 0, 0
    lock = threading.Lock()

    def counts(handler: Any) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        handler.provider.goes_on.wait(0.2)
        with lock:
            now -= 1
        handler.say(200, {})

    provider.misdeeds["turns"] = counts
    provider.goes_on.clear()
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(
                attempt.ask("/v1/messages", _body("messages", "turns")).status_code
            )
        )
        for _ in range(48)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert statuses == [200] * 48
    assert 1 < most <= 32


def test_keys_are_nowhere_to_be_seen(models: RunwrightServer, attempt: Attempt) -> None:
    commands = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    log = (models.data_dir.parent / f"{models.data_dir.name}.log").read_text()
    doctor = subprocess.run(
        [
            sys.executable, "-m", "runwright.cli.main", "doctor", "--data-dir",
            str(models.data_dir),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    with models.client() as client:
        detail = client.get(f"/runs/{attempt.run_id}").text

    for key in KEYS.values():
        assert key not in commands
        assert key not in log
        assert key not in doctor.stdout + doctor.stderr
        assert key not in detail


def test_a_module_may_ask_for_the_gateway_as_it_is_imported(models: RunwrightServer) -> None:
    source = (
        "from runwright.sdk import get_ai_gateway_config, run_info\n"
        "from helpers.client import BASE, KEY\n"
        "async def automation(page, params):\n"
        "    return [BASE, KEY, run_info().run_id, (BASE, KEY) == get_ai_gateway_config()]\n"
    )
    helper = (
        "from runwright.sdk import get_ai_gateway_config\nBASE, KEY = get_ai_gateway_config()\n"
    )
    deployed = models.deploy("early", {"api/early.py": source, "helpers/client.py": helper})
    assert deployed["status"] == "ready", deployed["error"]

    found = [models.run("early", "early") for _ in range(3)]

    for each in found:
        assert each["status"] == "completed", each
        base, key, run_id, is_same = each["result"]
        assert base.endswith("/intuned-ai-gateway")
        assert key.startswith(f"{run_id}.")
        assert is_same


def test_an_authors_own_gateway_wins(models: RunwrightServer) -> None:
    source = (
        "from runwright.sdk import get_ai_gateway_config\n"
        "async def automation(page, params):\n    return get_ai_gateway_config()\n"
    )
    models.deploy("own-gateway", {"api/asks.py": source})
    with models.client() as client:
        for name, value in (("URL", "http://own.test/v1"), ("KEY", "own")):
            client.put(
                f"/projects/own-gateway/variables/AI_GATEWAY_{name}", json={"value": value}
            ).raise_for_status()

    assert models.run("own-gateway", "asks")["result"] == ["http://own.test/v1", "own"]


def test_the_server_ends_while_a_stream_goes_on(tmp_path: Path, provider: Provider) -> None:
    def streams(handler: Any) -> None:
        handler.begin()
        while not handler.provider.goes_on.wait(0.01):
            handler.tell({"type": "ping"})

    provider.misdeeds["stops"] = streams
    provider.goes_on.clear()
    body = _body("messages", "stops", stream=True)
    settings = {"RUNWRIGHT_DRAIN_GRACE": "0.1", **provider.settings()}
    with (
        serving(tmp_path / "data", **settings) as server,
        contextlib.suppress(httpx2.ConnectError),
        attempts.under_way(server, tmp_path) as attempt,
        attempt.client() as client,
        client.stream("POST", "/v1/messages", json=body) as answer,
    ):
        next(answer.iter_bytes())
        server.process.terminate()
        assert server.process.wait(60) == 0
