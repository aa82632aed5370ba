"""Projects in the hosted service's format deploy and run unmodified."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
from helpers.server import RunwrightServer, eventually
from outside import pages

SETTINGS = """\
{
  // what it is
  "projectName": "shop",
  "apiAccess": { "enabled": true, },
  "replication": { "maxConcurrentRequests": 2, "size": "standard" },
  "region": "us", "stealthMode": { "enabled": true }, "captchaSolver": { "enabled": true },
  "browser": "shell",
}
"""
NAMES = """\
import intuned_runtime
from intuned_runtime import (
    attempt_store, extend_payload, extend_timeout, persistent_store, run_info, set_attribute,
    delete_attribute, IntunedContext, NonRetryableError, deferred_browser, EnsureBrowserFunction,
    get_ai_gateway_config, get_auth_session_parameters, send_message_to_agent,
)
from intuned_runtime.captcha import (
    wait_for_captcha_solve, on_captcha_event, once_captcha_event, pause_captcha_solver,
    resume_captcha_solver, Captcha, CaptchaSolveError,
)
from pydantic import BaseModel


class Next(BaseModel):
    page: int


async def automation(page, params, context=None, **_kwargs):
    extend_payload({"api": "shop/list-items", "parameters": Next(page=2)})
    set_attribute("pages", 1)
    before = await persistent_store.get("count")
    await persistent_store.set("count", (before or 0) + 1)
    await persistent_store.set("a/b c", ["kept"])
    errors = []
    for key in ("", "a:b", "a#b"):
        try:
            await persistent_store.get(key)
        except ValueError:
            errors.append(key)
    for use in (set_attribute, delete_attribute):
        try:
            use(*((None, 1) if use is set_attribute else ("1a",)))
        except ValueError:
            errors.append(use.__name__)
    try:
        await get_auth_session_parameters()
    except Exception as error:
        errors.append(type(error).__name__)

    @wait_for_captcha_solve
    async def click():
        return "clicked"

    async def function():
        return "ran"

    return {
        "run": run_info().run_id == IntunedContext.current().run_context.run_id,
        "before": before,
        "slash": await persistent_store.get("a/b c"),
        "errors": errors,
        "viewport": page.viewport_size,
        "agent": "Headless" in await page.evaluate("navigator.userAgent"),
        "clicked": await click(),
        "ran": await wait_for_captcha_solve(page=page, func=function),
        "items": [Next(page=1), (1, 2)],
    }
"""
HOOK = """\
from intuned_runtime import attempt_store
from playwright.async_api import async_playwright


async def setup_context(*, api_name, api_parameters, cdp_url):
    attempt_store.set("hook", [api_name, api_parameters, cdp_url.split(":")[0]])
    kind = api_parameters.get("kind")
    if kind is None:
        return None
    playwright = await async_playwright().start()
    browser = await playwright.chromium.connect_over_cdp(cdp_url)
    context = browser.contexts[0]
    if kind == "first":
        await context.set_extra_http_headers({"x-from": "the hook"})
        return context, context.pages[0], browser.close
    context = await browser.new_context(user_agent="from the hook")

    async def cleanup():
        print("cleaned up")
        await browser.close()
        await playwright.stop()
        if kind == "page":
            raise RuntimeError("too late to matter")

    if kind == "page":
        return context, await context.new_page(), cleanup
    return context, None, cleanup
"""
PROJECT = {
    "Intuned.jsonc": SETTINGS,
    "helpers/parts.py": "VALUE = 7\n",
    "api/shop/list-items.py": NAMES,
    "api/2fa/3d-view.py": (
        "from helpers.parts import VALUE\nasync def automation(page, params):\n    return VALUE\n"
    ),
    "api/old.py": (
        "import intuned_runtime\nfrom runtime_helpers import extend_payload\n"
        "async def automation(page, params):\n"
        "    return extend_payload is intuned_runtime.extend_payload\n"
    ),
    "api/deferred.py": (
        "from intuned_runtime import deferred_browser\n"
        "@deferred_browser\n"
        "async def automation(params, *, ensure_browser):\n"
        "    if params.get('skip'):\n        return 'no browser'\n"
        "    context, page = await ensure_browser()\n"
        "    again = await ensure_browser()\n"
        "    return [page is again[1], await page.evaluate('1 + 1')]\n"
    ),
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    deployed = server.deploy("shop", PROJECT)
    assert deployed["status"] == "ready", deployed["error"]
    return "shop"


def test_settings_without_effect_are_told_at_deploy(server: RunwrightServer) -> None:
    files = {name: PROJECT[name] for name in ("Intuned.jsonc", "api/old.py")}
    told = "\n".join(server.deploy("told", files)["progress"])

    for name in ("replication.size", "region", "stealthMode", "captchaSolver"):
        assert name in told


def test_every_name_works_as_its_author_expects(server: RunwrightServer, project: str) -> None:
    first = server.run(project, "shop/list-items", {})
    second = server.run(project, "shop/list-items", {})

    assert first["result"] == {
        "run": True,
        "before": None,
        "slash": ["kept"],
        "errors": ["", "a:b", "a#b", "set_attribute", "delete_attribute", "RuntimeError"],
        "viewport": None,
        "agent": False,
        "clicked": "clicked",
        "ran": "ran",
        "items": [{"page": 1}, [1, 2]],
    }
    assert second["result"]["before"] == 1
    assert first["extendedPayloads"] == [{"api": "shop/list-items", "parameters": {"page": 2}}]


def test_names_with_dashes_and_digits(server: RunwrightServer, project: str) -> None:
    assert server.run(project, "2fa/3d-view")["result"] == 7


@pytest.mark.parametrize("settings", ["{}", '{"headful": true}'], ids=["default", "headful"])
def test_full_chromium_is_the_browser_unless_another_is_chosen(
    server: RunwrightServer, settings: str
) -> None:
    looks = (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    agent = await page.evaluate('navigator.userAgent')\n"
        "    import os\n    display = os.environ.get('DISPLAY')\n"
        "    size = await page.evaluate('[window.outerWidth, window.outerHeight]')\n"
        "    async with page.expect_download() as told:\n        await page.click('a')\n"
        "    name = (await told.value).suggested_filename\n"
        "    return ['Headless' in agent, page.viewport_size, name, size, display]\n"
    )
    deployed = server.deploy("full", {"Intuned.json": settings, "api/looks.py": looks})
    assert deployed["status"] == "ready", deployed["error"]

    with pages.serving({"/": "<a href=/a.pdf>full</a>", "/a.pdf": "%PDF-1.4"}) as address:
        found = [server.run("full", "looks", {"url": f"{address}/"}) for _ in range(2)]

    for each in found:
        assert each["status"] == "completed", each
        assert each["result"][:3] == [False, None, "a.pdf"]
        # Without a window manager the frame takes a pixel.
        assert each["result"][3] in ([1024, 800], [1023, 799])
        if "headful" in settings and shutil.which("Xvfb"):
            assert each["result"][4]


def test_a_file_beside_a_folder_of_its_name(server: RunwrightServer) -> None:
    source = "async def automation(page, params):\n    return __name__\n"
    deployed = server.deploy("beside", {"api/x.py": source, "api/x/y.py": source})
    assert deployed["status"] == "ready", deployed["error"]

    found = [server.run("beside", api)["result"] for api in ("x", "x/y", "x", "x/y")]

    assert found == ["api.x", "api.x.y"] * 2


def test_a_project_with_auth_sessions_is_refused_a_run_without_one(server: RunwrightServer) -> None:
    files = {**PROJECT, "Intuned.jsonc": '{"authSessions": {"enabled": true}}'}
    deployed = server.deploy("signed-in", files)
    assert deployed["status"] == "ready", deployed["error"]

    with server.client() as client:
        body = {"api": "2fa/3d-view", "parameters": {}}
        answer = client.post("/projects/signed-in/run/start", json=body)

    assert answer.status_code == 400
    assert answer.json()["details"][0]["path"] == "authSession"


def test_the_older_import_name_is_the_same(server: RunwrightServer, project: str) -> None:
    assert server.run(project, "old")["result"] is True


def test_a_deferred_browser(server: RunwrightServer, project: str) -> None:
    assert server.run(project, "deferred")["result"] == [True, 2]
    assert server.run(project, "deferred", {"skip": True})["result"] == "no browser"


def test_without_a_provider_of_models_it_is_said_what_to_set(server: RunwrightServer) -> None:
    asks = (
        "from intuned_runtime import get_ai_gateway_config\n"
        "async def automation(page, params):\n    return get_ai_gateway_config()\n"
    )
    server.deploy("asks-for-models", {**PROJECT, "api/asks.py": asks})

    found = server.run("asks-for-models", "asks")

    assert found["status"] == "failed"
    for name in ("ANTHROPIC", "OPENAI", "GOOGLE"):
        assert f"RUNWRIGHT_{name}_API_KEY" in found["message"]


def test_a_hook_may_keep_or_replace_what_is_used(server: RunwrightServer) -> None:
    looks = (
        "from intuned_runtime import attempt_store\n"
        "async def automation(page, params):\n"
        "    return [attempt_store.get('hook'), await page.evaluate('navigator.userAgent')]\n"
    )
    files = {**PROJECT, "hooks/setup_context.py": HOOK, "api/demo/looks.py": looks}
    deployed = server.deploy("hooked", files)
    assert deployed["status"] == "ready", deployed["error"]

    kept = server.run("hooked", "demo/looks", {})
    replaced = [server.run("hooked", "demo/looks", {"kind": kind}) for kind in ("page", "context")]

    assert kept["result"][0] == ["api/demo/looks", {}, "ws"]
    assert "from the hook" not in kept["result"][1]
    for found in replaced:
        assert found["result"][1] == "from the hook", found
        run_id = found["runId"]
        kinds = eventually(lambda: [f["kind"] for f in server.detail(run_id)["files"]])  # noqa: B023
        assert kinds == ["trace"]
        with server.client() as client:
            text = client.get(f"/projects/hooked/run/{run_id}/logs").text
        assert "cleaned up" in text
        assert ("too late to matter" in text) is (found is replaced[0])


def test_what_connects_by_cdp_finds_the_automations_page_and_cookies(
    server: RunwrightServer,
) -> None:
    hook = (
        "from intuned_runtime import attempt_store\n"
        "async def setup_context(*, api_name, api_parameters, cdp_url):\n"
        "    attempt_store.set('cdp_url', cdp_url)\n"
    )
    library = (
        "from intuned_runtime import attempt_store\n"
        "from playwright.async_api import async_playwright\n"
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    cookie = {'name': params['name'], 'value': '1', 'url': params['url']}\n"
        "    await page.context.add_cookies([cookie])\n"
        "    async with async_playwright() as playwright:\n"
        "        browser = await playwright.chromium.connect_over_cdp(attempt_store.get('cdp_url'))\n"
        "        context = browser.contexts[0]\n"
        "        titles = [await each.title() for each in context.pages]\n"
        "        names = [each['name'] for each in await context.cookies()]\n"
        "        await browser.close()\n"
        "    return titles, names, await page.title(), page.viewport_size\n"
    )
    files = {**PROJECT, "hooks/setup_context.py": hook, "api/library.py": library}
    deployed = server.deploy("hooked-library", files)
    assert deployed["status"] == "ready", deployed["error"]

    with pages.serving({"/": "<title>Shop</title>"}) as address:
        found = [
            server.run("hooked-library", "library", {"url": f"{address}/", "name": name})
            for name in ("one", "two")
        ]

    for each, name in zip(found, ("one", "two"), strict=True):
        assert each["status"] == "completed", each
        assert each["result"] == [["Shop"], [name], "Shop", None]


def test_a_hook_may_return_the_page_it_finds(server: RunwrightServer) -> None:
    downloads = (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'])\n"
        "    async with page.expect_download() as download:\n"
        "        await page.click('a')\n"
        "    return (await download.value).suggested_filename, len(page.context.pages)\n"
    )
    files = {**PROJECT, "hooks/setup_context.py": HOOK, "api/downloads.py": downloads}
    deployed = server.deploy("hooked-first", files)
    assert deployed["status"] == "ready", deployed["error"]

    with pages.serving({"/": "<a download='list.txt' href='data:text/plain,one'>list</a>"}) as site:
        found = server.run("hooked-first", "downloads", {"url": f"{site}/", "kind": "first"})

    assert found["result"] == ["list.txt", 1], found
    kept = eventually(lambda: [f["kind"] for f in server.detail(found["runId"])["files"]])
    assert kept.count("download") == 1


def test_a_hook_that_fails_fails_the_attempt(server: RunwrightServer) -> None:
    hook = "async def setup_context(*, api_name, api_parameters, cdp_url):\n    return 5\n"
    server.deploy("hooked-wrong", {**PROJECT, "hooks/setup_context.py": hook})

    found = server.run("hooked-wrong", "2fa/3d-view")

    assert found["error"]["category"] == "user"
    assert "hooks/setup_context.py" in found["message"]


_BROWSER = """\
from importlib import metadata
from intuned_browser import (
    click_until_exhausted, download_file, extract_markdown, go_to_url, save_file_to_s3,
    scroll_to_load_content, upload_file_to_s3, wait_for_dom_settled, wait_for_network_settled,
)


async def automation(page, params):
    await go_to_url(page, params["url"])
    await wait_for_dom_settled(page)
    text = await extract_markdown(page)
    await scroll_to_load_content(page)
    await click_until_exhausted(page, page.locator("#more"), max_clicks=2)
    download = await download_file(page, page.locator("#file"))
    kept = await upload_file_to_s3(download)
    installed = {each.name for each in metadata.distributions()}
    return {
        "text": text, "file": download.suggested_filename, "link": await _link(kept),
        "installed": ["intuned-browser" in installed, "intuned-runtime" in installed],
    }


async def _link(kept):
    link = kept.get_signed_url()
    return await link if hasattr(link, "__await__") else link
"""
_PAGE = (
    "<h1>Shop</h1><p>Hello</p><button id='more' onclick='this.remove()'>More</button>"
    "<a id='file' download='list.txt' href='data:text/plain,one'>list</a>"
)


@pytest.mark.parametrize("version", ["0.1.18", "0.1.19"])
def test_the_browser_package_of_that_format_works(server: RunwrightServer, version: str) -> None:
    if not _has_python_312():
        pytest.skip("there is no Python 3.12 on this machine")
    pyproject = (
        '[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.12,<3.13"\n'
        f'dependencies = ["intuned-browser=={version}", "intuned-runtime==1.3.0"]\n'
    )
    files = {"Intuned.jsonc": SETTINGS, "pyproject.toml": pyproject, "api/uses.py": _BROWSER}
    name = f"browser-{version.replace('.', '-')}"
    deployed = server.deploy(name, files)
    assert deployed["status"] == "ready", deployed["error"]

    with pages.serving({"/": _PAGE}) as address:
        found = server.run(name, "uses", {"url": f"{address}/"})

    assert found["status"] == "completed", found
    result: dict[str, Any] = found["result"]
    assert "# Shop" in result["text"]
    assert result["file"] == "list.txt"
    assert result["installed"] == [True, False]
    assert httpx2.get(result["link"], timeout=60).text == "one"
    assert (
        httpx2.get(result["link"].replace("purpose=read", "purpose=write"), timeout=60).status_code
        == 404
    )
    kinds = {each["kind"] for each in server.detail(found["runId"])["files"]}
    assert {"file", "download"} <= kinds


def _has_python_312() -> bool:
    pyenv = Path.home() / ".pyenv" / "versions"
    return bool(shutil.which("python3.12") or list(pyenv.glob("3.12*")))
