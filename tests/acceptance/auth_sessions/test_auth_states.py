"""What an AuthSession's state contains, and that it is restored: in another browser, after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.server import RunwrightServer, serving
from outside import django_site, pages, sign_in_site, two_factor_site

_EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
_WRITE = """\
async (mark) => {
  document.cookie = `c=${mark}; max-age=86400`;
  localStorage.setItem('l', mark);
  sessionStorage.setItem('s', mark);
  const base = await new Promise((ok, no) => {
    const asked = indexedDB.open('base', 3);
    asked.onupgradeneeded = () => asked.result.createObjectStore('things', {keyPath: 'id'});
    asked.onsuccess = () => ok(asked.result);
    asked.onerror = () => no(asked.error);
  });
  const writing = base.transaction('things', 'readwrite');
  writing.objectStore('things').put({id: 1, mark, at: new Date(86400000), bytes: new Uint8Array([1, 2, 255])});
  await new Promise((ok) => { writing.oncomplete = ok; });
  base.close();
}
"""
_READ = """\
async () => {
  const base = await new Promise((ok, no) => {
    const asked = indexedDB.open('base');
    asked.onsuccess = () => ok(asked.result);
    asked.onerror = () => no(asked.error);
  });
  let found = null;
  if (base.objectStoreNames.contains('things')) {
    found = await new Promise((ok) => {
      const asked = base.transaction('things').objectStore('things').get(1);
      asked.onsuccess = () => ok(asked.result);
    });
  }
  const stored = found && [found.mark, found.at.getTime(), Array.from(found.bytes)];
  return [document.cookie, localStorage.getItem('l'), sessionStorage.getItem('s'), stored, history.length];
}
"""


def _stores_project(first: str, second: str, **more: str) -> dict[str, str]:
    return {
        "pyproject.toml": "[tool.runwright.auth_sessions]\nenabled = true\n",
        "stores.py": f"WRITE = {_WRITE!r}\nREAD = {_READ!r}\nPLACES = ({first!r}, {second!r})\n",
        "auth-sessions/create.py": (
            "from stores import PLACES, WRITE\n"
            "async def create(page, params):\n"
            "    for place in PLACES:\n"
            "        await page.goto(place)\n"
            "        await page.evaluate(WRITE, params['mark'] + place[-6])\n"
        ),
        "auth-sessions/check.py": (
            "from stores import PLACES\n"
            "async def check(page):\n"
            "    await page.goto(PLACES[1])\n"
            "    return await page.evaluate(\"() => localStorage.getItem('l')\") is not None\n"
        ),
        "api/read.py": (
            "from stores import PLACES, READ\n"
            "async def automation(page, params):\n"
            "    found = []\n"
            "    for place in PLACES:\n"
            "        await page.goto(place)\n"
            "        found.append(await page.evaluate(READ))\n"
            "    return found\n"
        ),
        "api/lazy.py": (
            "from stores import PLACES, READ\n"
            "from runwright.sdk import deferred_browser\n"
            "@deferred_browser\n"
            "async def automation(params, *, ensure_browser):\n"
            "    _, page = await ensure_browser()\n"
            "    await page.goto(PLACES[0])\n"
            "    return (await page.evaluate(READ))[:4]\n"
        ),
        **more,
    }


def test_all_four_stores_of_all_origins_are_restored_after_a_restart(tmp_path: Path) -> None:
    page = {"/": "<!doctype html><title>Stores</title>"}
    with pages.serving(page) as one, pages.serving(page) as other:
        first, second = f"{one}/", f"{other.replace('127.0.0.1', 'localhost')}/"
        with serving(tmp_path / "data") as server:
            deployed = server.deploy("p", _stores_project(first, second))
            assert deployed["status"] == "ready", deployed["error"]
            server.operate("p", "create", {"id": "a", "parameters": {"mark": "m"}})
        with serving(tmp_path / "data") as server:
            found = server.run("p", "read", authSession={"id": "a"})["result"]
            again = server.run("p", "read", authSession={"id": "a"})["result"]
            lazy = server.run("p", "lazy", authSession={"id": "a"})["result"]

    marks = [f"m{place[-6]}" for place in (first, second)]
    # As if the tab had been nowhere: what was restored is not in its history.
    assert found == [
        [f"c={mark}", mark, mark, [mark, 86400000, [1, 2, 255]], number + 1]
        for number, mark in enumerate(marks, start=1)
    ]
    assert again == found
    assert lazy == found[0][:4]


def test_an_older_playwright_of_the_project_restores_all_four_stores_too(
    server: RunwrightServer,
) -> None:
    page = {"/": "<!doctype html><title>Stores</title>"}
    older = (
        '[project]\nname = "older"\nversion = "1"\ndependencies = ["playwright==1.52.0"]\n'
        "[tool.runwright.auth_sessions]\nenabled = true\n"
    )
    with pages.serving(page) as address:
        files = _stores_project(f"{address}/", f"{address}/", **{"pyproject.toml": older})
        deployed = server.deploy("older", files)
        assert deployed["status"] == "ready", deployed["error"]
        server.operate("older", "create", {"id": "a", "parameters": {"mark": "m"}})
        found = server.run("older", "read", authSession={"id": "a"})

    mark = f"m{address[-5]}"
    assert found["result"][0][:4] == [f"c={mark}", mark, mark, [mark, 86400000, [1, 2, 255]]]


def test_a_hook_has_its_context_before_the_state_is_put_in(
    server: RunwrightServer, tmp_path: Path
) -> None:
    page = {"/": "<!doctype html><title>Stores</title>"}
    hook = (
        "from runwright.sdk import attempt_store\n"
        "from playwright.async_api import async_playwright\n"
        "async def setup_context(*, api_name, api_parameters, cdp_url):\n"
        "    playwright = await async_playwright().start()\n"
        "    browser = await playwright.chromium.connect_over_cdp(cdp_url)\n"
        "    context = await browser.new_context(locale='de-CH')\n"
        "    attempt_store.set('name', api_name)\n"
        "    return context, None, playwright.stop\n"
    )
    read = (
        "from stores import PLACES, READ\n"
        "from runwright.sdk import attempt_store\n"
        "async def automation(page, params):\n"
        "    await page.goto(PLACES[0])\n"
        "    language = await page.evaluate('navigator.language')\n"
        "    return [attempt_store.get('name'), language, await page.evaluate(READ)]\n"
    )
    check = (
        "from runwright.sdk import attempt_store\n"
        "async def check(page):\n"
        "    assert attempt_store.get('name') == 'auth-sessions/check'\n"
        "    return True\n"
    )
    with pages.serving(page) as one, pages.serving(page) as other:
        first, second = f"{one}/", f"{other.replace('127.0.0.1', 'localhost')}/"
        more = {
            "hooks/setup_context.py": hook,
            "api/read.py": read,
            "auth-sessions/check.py": check,
        }
        deployed = server.deploy("hooked", _stores_project(first, second, **more))
        assert deployed["status"] == "ready", deployed["error"]
        made = server.operate("hooked", "create", {"id": "a", "parameters": {"mark": "m"}})
        found = server.run("hooked", "read", authSession={"id": "a"})

    assert made == {"status": "done", "authSessionId": "a"}
    mark = f"m{first[-6]}"
    assert found["result"][:2] == ["api/read", "de-CH"]
    assert found["result"][2][:4] == [f"c={mark}", mark, mark, [mark, 86400000, [1, 2, 255]]]


def test_django_admin_stays_signed_in_and_is_signed_in_to_again(tmp_path: Path) -> None:
    with (
        django_site.serving(tmp_path) as admin,
        serving(tmp_path / "data", RUNWRIGHT_RETRY_DELAY="0.1") as server,
    ):
        deployed = server.deploy("admin", django_site.project(admin))
        assert deployed["status"] == "ready", deployed["error"]
        parameters = {
            "url": admin.url, "user": django_site.USER, "password": django_site.PASSWORD,
        }  # fmt: skip
        server.operate("admin", "create", {"id": "boss", "parameters": parameters})

        first = server.run("admin", "users", authSession={"id": "boss"})
        removed = admin.sign_everyone_out()
        mended = server.run("admin", "users", authSession={"id": "boss"})

    assert (first["result"], mended["result"]) == ([django_site.USER], [django_site.USER])
    assert removed == 1


def test_two_factor_sign_in_with_the_example(server: RunwrightServer) -> None:
    folder = _EXAMPLES / "two-factor"
    files = {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.suffix in (".py", ".toml")
    }
    assert server.deploy("two-factor", files)["status"] == "ready"
    with two_factor_site.serving() as url:
        parameters: dict[str, Any] = {
            "url": url, "user": two_factor_site.USER, "password": two_factor_site.PASSWORD,
            "secret": f"otpauth://totp/Site:berta?secret={two_factor_site.SECRET}&issuer=Site",
        }  # fmt: skip
        made = server.operate("two-factor", "create", {"id": "b", "parameters": parameters})
        assert made["status"] == "done", made
        found = server.run("two-factor", "account", authSession={"id": "b"})
        wrong = {**parameters, "secret": "not base32!"}
        refused = server.operate(
            "two-factor", "create", {"id": "w", "parameters": wrong, "createAttempts": 1}
        )

    assert found["result"] == f"Signed in as {two_factor_site.USER}"
    assert "must be base32" in refused["message"]


def test_parameters_are_for_who_runs_with_them_and_not_for_runtime_sessions(
    server: RunwrightServer,
) -> None:
    asks = (
        "from runwright.sdk import get_auth_session_parameters, run_info\n"
        "async def {name}({arguments}):\n"
        "    try:\n        found = await get_auth_session_parameters()\n"
        "    except RuntimeError as error:\n        found = str(error)\n"
        "    {ending}\n"
    )
    with sign_in_site.serving() as site:
        files = sign_in_site.project(site)
        files["api/asks.py"] = asks.format(
            name="automation", arguments="page, params",
            ending="return [found, run_info().auth_session_id]",
        )  # fmt: skip
        files["auth-sessions/check.py"] = "async def check(page):\n    return True\n"
        assert server.deploy("asks", files)["status"] == "ready"
        server.operate("asks", "create", {"id": "a", "parameters": site.parameters})
        mine = server.run("asks", "asks", authSession={"id": "a"})["result"]
        runtime = server.run(
            "asks", "asks", authSession={"id": "r", "runtimeInput": site.parameters}
        )["result"]

    assert mine == [site.parameters, "a"]
    assert runtime[1] == "r"
    assert "RUNTIME" in runtime[0]


def test_the_secret_key_is_rotated_while_everything_goes_on(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with sign_in_site.serving() as site, serving(data_dir) as server:
        server.deploy("p", sign_in_site.project(site))
        with server.client() as client:
            client.put("/projects/p/variables/TOKEN", json={"value": "abc"})
        server.operate("p", "create", {"id": "a", "parameters": site.parameters})
        first = (data_dir / "secret.key").read_text()
        running = [server.start("p", "home", authSession={"id": "a"}) for _ in range(5)]
        with server.client() as client:
            resealed = client.post("/keys/rotate-secret").json()["resealed"]
            again = client.post("/keys/rotate-secret").json()["resealed"]
        results = [server.result("p", run_id)["result"] for run_id in running]
        site.sign_everyone_out()
        mended = server.run("p", "home", authSession={"id": "a"})["result"]

    # The variable, the parameters, the state.
    assert resealed >= 3
    assert again >= 3
    assert results == ["Welcome"] * 5
    assert mended == "Welcome"
    assert first.strip() not in (data_dir / "secret.key").read_text()
    with sign_in_site.serving(), serving(data_dir) as server:
        assert server.sessions("p") == {"a": "READY"}
