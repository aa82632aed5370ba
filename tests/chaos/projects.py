"""The projects that are executed while everything around them dies."""

from __future__ import annotations

from typing import Any

from outside import sign_in_site
from outside.sign_in_site import Site

PLAIN = "plain"
SIGNED_IN = "signed-in"
REDEPLOYED = "redeployed"
HUGE_BYTES = 1_500_000
TOO_BIG_BYTES = 3_000_000
JOB = "job"
JOB_ITEMS = 6

_APIS = {
    "fast": "async def automation(page, params):\n    return params\n",
    "page": (
        "async def automation(page, params):\n    await page.goto(params['url'])\n"
        "    return [params['n'], await page.inner_text('h1')]\n"
    ),
    "slow": (
        "import asyncio\nasync def automation(page, params):\n    print('sleeping')\n"
        "    await asyncio.sleep(params['seconds'])\n    return params['n']\n"
    ),
    "fails": "async def automation(page, params):\n    raise ValueError('as it should')\n",
    "huge": "async def automation(page, params):\n    return 'x' * params['bytes']\n",
    "dies": "import os\nasync def automation(page, params):\n    os.abort()\n",
    "late": (
        "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(3600)\n"
    ),
    "download": (
        "async def automation(page, params):\n"
        "    await page.set_content('<a download=\"report.txt\" href=\"data:text/plain,' + 'y' * 5000"
        " + '\">get</a>')\n"
        "    async with page.expect_download() as download:\n        await page.click('a')\n"
        "    await (await download.value).path()\n    return params['n']\n"
    ),
    "meet": (
        "async def automation(page, params):\n"
        "    await page.goto(params['url'], timeout=60_000)\n    return await page.inner_text('h1')\n"
    ),
}


def plain() -> dict[str, str]:
    """Return the files of the project without sessions."""
    return {f"api/{name}.py": text for name, text in _APIS.items()}


def job(sink_url: str) -> dict[str, Any]:
    """Return a Job of the plain project: items of which two are carried out at once, each delivered."""
    items = [
        {"apiName": ("fast", "slow")[number % 2], "parameters": {"n": number, "seconds": 0.5}}
        for number in range(JOB_ITEMS)
    ]
    configuration = {"maxConcurrentRequests": 2, "retry": {"maximumAttempts": 50}}
    sink = {"type": "webhook", "url": sink_url}
    return {"id": JOB, "payload": items, "configuration": configuration, "sink": sink}


def redeployed(number: int) -> dict[str, str]:
    """Return the files of the project that is deployed again and again."""
    return {"api/number.py": f"async def automation(page, params):\n    return {number}\n"}


def signed_in(site: Site) -> dict[str, str]:
    """Return the files of the project whose Runs need a session."""
    return sign_in_site.project(site)
