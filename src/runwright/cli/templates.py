"""The project templates of `runwright init`."""

from __future__ import annotations

from pathlib import Path

from runwright.errors import ConfigError

API_OF = {"scraper": "items", "sign-in": "orders", "form": "submit", "download": "report"}

_PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []

[tool.runwright]
"""
_SCRAPER = '''\
"""Reads the items of a page, and of the pages that follow."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import Page

from runwright.sdk import go_to


@dataclass
class Params:
    url: str
    item: str = "article"
    """CSS selector of an item."""
    following: str = "a[rel=next]"
    max_pages: int = 5


async def automation(page: Page, params: Params) -> list[str]:
    """Return the text of every item."""
    await go_to(page, params.url)
    found: list[str] = []
    for number in range(1, params.max_pages + 1):
        found += await page.locator(params.item).all_inner_texts()
        print(f"page {number}: {len(found)} items so far")
        following = page.locator(params.following)
        if not await following.count():
            break
        async with page.expect_navigation():
            await following.first.click()
    return found
'''
_SIGN_IN = '''\
"""Signs in with the variables SHOP_USER and SHOP_PASSWORD, and reads the page behind the form."""

from __future__ import annotations

import os
from dataclasses import dataclass

from playwright.async_api import Page

from runwright.sdk import NonRetryableError, go_to


@dataclass
class Params:
    url: str
    """URL of the page with the form."""


async def automation(page: Page, params: Params) -> str:
    """Return the heading of the page behind the form."""
    await go_to(page, params.url)
    await page.locator("input[type=text], input[type=email]").first.fill(os.environ["SHOP_USER"])
    await page.locator("input[type=password]").fill(os.environ["SHOP_PASSWORD"])
    async with page.expect_navigation():
        await page.locator("button[type=submit], input[type=submit]").first.click()
    if await page.locator("input[type=password]").count():
        raise NonRetryableError("the site rejects this user and password")
    return await page.locator("h1").first.inner_text()
'''
_FORM = '''\
"""Fills out a form and returns the site's response."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.async_api import Page

from runwright.sdk import go_to


@dataclass
class Params:
    url: str
    fields: dict[str, str] = field(default_factory=dict)
    """Values by field label."""
    button: str = "Submit"


async def automation(page: Page, params: Params) -> str:
    """Return the text of the resulting page."""
    await go_to(page, params.url)
    for label, value in params.fields.items():
        await page.get_by_label(label).fill(value)
    async with page.expect_navigation():
        await page.get_by_role("button", name=params.button).click()
    return await page.locator("body").inner_text()
'''
_DOWNLOAD = '''\
"""Downloads a file, which is then kept with the Run."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import Page

from runwright.sdk import go_to


@dataclass
class Params:
    url: str
    link: str = "Download"
    """Text of the link."""


async def automation(page: Page, params: Params) -> str:
    """Return the name of the file."""
    await go_to(page, params.url)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name=params.link).click()
    return (await downloading.value).suggested_filename
'''
_SOURCES = {"scraper": _SCRAPER, "sign-in": _SIGN_IN, "form": _FORM, "download": _DOWNLOAD}
_IGNORED = ".runwright/\n.venv/\n__pycache__/\n.env\n"


def write(path: Path, template: str) -> list[str]:
    """Write a new project and return the names of its files.

    Raises:
        ConfigError: there is no such template, or the folder is not empty.
    """
    if template not in _SOURCES:
        known = ", ".join(f"`{name}`" for name in _SOURCES)
        raise ConfigError(f"There is no template `{template}`: choose one of {known}.")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"{path} already exists and is not an empty folder: choose another one.")
    api = API_OF[template]
    files = {
        "pyproject.toml": _PYPROJECT.format(name=path.absolute().name),
        ".gitignore": _IGNORED,
        f"api/{api}.py": _SOURCES[template],
        f".parameters/api/{api}/default.json": '{\n  "url": "https://example.com"\n}\n',
    }
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(files)
