"""Popular clients find the gateway with `get_ai_gateway_config()`: each in an Attempt of a project that requires it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.server import RunwrightServer
from outside import pages
from outside.providers import FOUND, Provider

PYPROJECT = """\
[project]
name = "x"
version = "0"
requires-python = ">=3.12,<3.13"
dependencies = ["intuned-browser==0.1.19", "intuned-runtime==1.3.0", "anthropic>=1", "openai>=2", "google-genai>=1"]
"""
SDKS = """\
import anthropic, openai
from google import genai
from intuned_runtime import get_ai_gateway_config

# As it is imported, as many do.
base, key = get_ai_gateway_config()
ASKED = [{"role": "user", "content": "q"}]
_anthropic = anthropic.AsyncAnthropic(base_url=base, api_key=key)


async def automation(page, params):
    found = {}
    message = await _anthropic.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=ASKED)
    found["messages"] = message.content[0].text
    async with _anthropic.messages.stream(model="claude-haiku-4-5", max_tokens=9, messages=ASKED) as stream:
        found["messages stream"] = "".join([text async for text in stream.text_stream])
    for name, url in (("plain", base), ("v1", f"{base}/v1")):
        client = openai.AsyncOpenAI(base_url=url, api_key=key)
        chat = await client.chat.completions.create(model="gpt-5-mini", messages=ASKED)
        found[f"chat {name}"] = chat.choices[0].message.content
        stream = await client.chat.completions.create(model="gpt-5-mini", messages=ASKED, stream=True)
        # As it is written most often: of an event without choices it is an IndexError.
        found[f"chat stream {name}"] = "".join([part.choices[0].delta.content or "" async for part in stream])
        response = await client.responses.create(model="gpt-5-mini", input="q")
        found[f"responses {name}"] = response.output_text
        async with client.responses.stream(model="gpt-5-mini", input="q") as events:
            final = await events.get_final_response()
        found[f"responses stream {name}"] = final.output_text
    google = genai.Client(api_key=key, http_options={"base_url": base})
    found["google"] = google.models.generate_content(model="gemini-2.5-flash", contents="q").text
    parts = google.models.generate_content_stream(model="gemini-2.5-flash", contents="q")
    found["google stream"] = "".join(part.text for part in parts)
    errors = []
    for call in (
        lambda: _anthropic.messages.create(model="claude-refused", max_tokens=9, messages=ASKED),
        lambda: _anthropic.messages.create(model="claude-busy", max_tokens=9, messages=ASKED),
        lambda: _anthropic.models.list(),
    ):
        try:
            await call()
        except anthropic.APIStatusError as error:
            errors.append([type(error).__name__, error.status_code])
    return {"found": found, "errors": errors}
"""
HELPERS = """\
from intuned_browser.ai import extract_structured_data, is_page_loaded

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def automation(page, params):
    await page.goto(params["url"])
    found = {"loaded": await is_page_loaded(page)}
    for model in ("claude-haiku-4-5", "gpt-5-mini", "gemini-2.5-flash"):
        for source in ({"source": page}, {"content": [{"type": "text", "data": "Lamp"}]}):
            found[f"{model} {min(source)}"] = await extract_structured_data(
                **source, data_schema=SCHEMA, model=model, enable_cache=False, strategy="HTML"
            ) if "source" in source else await extract_structured_data(
                **source, data_schema=SCHEMA, model=model, enable_cache=False
            )
    return found
"""


def _has_python_312() -> bool:
    pyenv = Path.home() / ".pyenv" / "versions"
    return bool(shutil.which("python3.12") or list(pyenv.glob("3.12*")))


@pytest.fixture(scope="module", name="project")
def _project(models: RunwrightServer) -> str:
    if not _has_python_312():
        pytest.skip("there is no Python 3.12 on this machine")
    files = {
        "Intuned.jsonc": '{"browser": "shell"}',
        "pyproject.toml": PYPROJECT,
        "api/sdks.py": SDKS,
        "api/helpers.py": HELPERS,
    }
    deployed = models.deploy("clients", files)
    assert deployed["status"] == "ready", deployed["error"]
    return "clients"


def test_the_providers_own_packages(
    models: RunwrightServer, provider: Provider, project: str
) -> None:
    provider.misdeeds["claude-refused"] = lambda handler: handler.say(401, {})
    answers = iter([429, 200])

    def busy(handler: Any) -> None:
        status = next(answers)
        handler.say(status, {} if status == 429 else {"content": []}, retry_after="0")

    provider.misdeeds["claude-busy"] = busy

    found = models.run(project, "sdks")

    assert found["status"] == "completed", found
    result = found["result"]
    assert {name: text.removeprefix("True\n") for name, text in result["found"].items()} == dict.fromkeys(("messages", "messages stream", "google", "google stream", *(f"{what}{kind} {url}" for what in ("chat", "responses") for kind in ("", " stream") for url in ("plain", "v1"))), "one two")  # fmt: skip
    # It was repeated where that helps, and only there.
    assert result["errors"] == [["InternalServerError", 502], ["APIStatusError", 405]]
    assert len(provider.of_model("claude-refused")) == 1
    assert len(provider.of_model("claude-busy")) == 2
    used = models.detail(found["runId"])["models"]
    assert sum(each["estimatedCalls"] for each in used) == 1
    assert {each["model"]: each["calls"] - each["failedCalls"] for each in used} == {
        "claude-haiku-4-5": 2, "gpt-5-mini": 8, "gemini-2.5-flash": 2, "claude-refused": 0, "claude-busy": 1,
    }  # fmt: skip


def test_the_helpers_of_the_other_format(models: RunwrightServer, project: str) -> None:
    with pages.serving({"/": "<h1>Lamp</h1>"}) as address:
        found = models.run(project, "helpers", {"url": f"{address}/"})

    assert found["status"] == "completed", found
    assert found["result"].pop("loaded") is True
    assert len(found["result"]) == 6
    assert all(each == FOUND for each in found["result"].values()), found["result"]
    detail = models.detail(found["runId"])
    assert {each["model"]: each["calls"] for each in detail["models"]}.keys() == {
        "claude-haiku-4-5-20251001",
        "claude-haiku-4-5",
        "gpt-5-mini",
        "gemini-2.5-flash",
    }
    with models.client() as client:
        log = client.get(f"/projects/{project}/run/{found['runId']}/logs").text
    assert "cost in cents" in log.lower()
