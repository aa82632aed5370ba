"""A Chromium, a signed-in person, and a project to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import browsing
from helpers.browsing import Person
from helpers.server import RunwrightServer
from playwright.sync_api import Browser

SHOP = {
    "api/prices.py": (
        "from typing import Literal, NotRequired, TypedDict\n"
        "class Params(TypedDict):\n"
        "    shop: str\n"
        "    pages: NotRequired[int]\n"
        "    currency: NotRequired[Literal['EUR', 'USD']]\n"
        "    tags: NotRequired[list[str]]\n"
        "async def automation(page, params: Params):\n"
        '    """Reads the prices of a shop."""\n'
        "    print('reading', params['shop'])\n"
        "    await page.set_content('<h1>Prices</h1>')\n"
        "    return {'shop': params['shop'], 'items': [\n"
        "        {'name': f'Item {n}', 'price': n * 1.5} for n in range(3)]}\n"
    ),
    ".parameters/api/prices/default.json": '{"shop": "lamps", "pages": 2}',
    "api/broken.py": (
        "async def automation(page, params):\n"
        "    await page.set_content('<h1>Till</h1>')\n"
        "    raise RuntimeError(f\"no total in order {params.get('order')}\")\n"
    ),
    "api/counts.py": (
        "import asyncio\n"
        "async def automation(page, params):\n"
        "    for n in range(params['lines']):\n"
        "        print('line', n)\n"
        "        await asyncio.sleep(params.get('pause', 0))\n"
        "    return params['lines']\n"
    ),
    "api/half.py": (
        "from runwright.sdk import set_attribute\n"
        "async def automation(page, params):\n"
        "    half = chr(0xd83d)\n"
        "    print(half)\n"
        "    await page.set_content('<p>Hello</p>')\n"
        "    set_attribute('half', half)\n"
        "    if params.get('fail'):\n"
        "        raise RuntimeError(half)\n"
        "    return [{'said': half}]\n"
    ),
    "api/says.py": (
        "from runwright.sdk import set_attribute\n"
        "async def automation(page, params):\n"
        "    print(params['text'])\n"
        "    await page.set_content(f\"<title>{params['text']}</title><p>Hello</p>\")\n"
        "    set_attribute('said', params['text'])\n"
        "    if params.get('fail'):\n"
        "        raise RuntimeError(params['text'])\n"
        "    return [{params['text']: params['text']}]\n"
    ),
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One of the module's own: a running one keeps asyncio's tests from running."""
    with browsing.chromium() as found:
        yield found


@pytest.fixture
def anna(chromium: Browser, server: RunwrightServer) -> Iterator[Person]:
    """A person who may do everything; nothing may have gone wrong in her browser."""
    with browsing.person(chromium, server) as found:
        yield found
        assert found.complaints == []


@pytest.fixture(scope="session")
def shop(server: RunwrightServer) -> str:
    """Deploy a project and return its name."""
    assert server.deploy("dashboard-shop", SHOP)["status"] == "ready"
    return "dashboard-shop"
