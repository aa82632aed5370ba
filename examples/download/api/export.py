"""Downloads a table of a Datasette site as a file, which is then kept with the Run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page


@dataclass
class Params:
    """What to download."""

    url: str
    """Address of a table, such as `http://127.0.0.1:8001/atlas/airports?state=AK`."""


async def automation(page: Page, params: Params) -> dict[str, object]:
    """Return the name and number of lines of the CSV file."""
    await page.goto(params.url)
    form = page.locator("#export form")
    await form.get_by_label("download file").check()
    await form.get_by_label("stream all rows").check()
    async with page.expect_download() as downloading:
        await form.get_by_role("button", name="Export CSV").click()
    download = await downloading.value
    text = Path(await download.path()).read_text(encoding="utf-8")
    return {"file": download.suggested_filename, "lines": len(text.splitlines())}
