"""Reads a table of a Datasette site, page after page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from playwright.async_api import Page

from runwright.sdk import set_attribute


@dataclass
class Params:
    """What to read."""

    url: str
    """Address of a table, such as `http://127.0.0.1:8001/atlas/airports`."""
    filters: dict[str, str] = field(default_factory=dict)
    """Values that columns must have."""
    columns: list[str] = field(default_factory=list)
    """Columns to return; none means all."""
    page_size: int = 20
    max_pages: int = 50


class Rows(TypedDict):
    """What was read."""

    pages: int
    rows: list[dict[str, str]]


async def automation(page: Page, params: Params) -> Rows:
    """Return the rows of a table that fit the filters."""
    await page.goto(params.url)
    for column, value in params.filters.items():
        await filter_by(page, column, value)
    await page.goto(f"{page.url}{'&' if '?' in page.url else '?'}_size={params.page_size}")
    rows: list[dict[str, str]] = []
    for number in range(1, params.max_pages + 1):
        rows += await read(page, params.columns)
        print(f"page {number}: {len(rows)} rows so far")
        following = page.get_by_role("link", name="Next page")
        if not await following.count():
            break
        async with page.expect_navigation():
            await following.first.click()
    set_attribute("rows", len(rows))
    return {"pages": number, "rows": rows}


async def filter_by(page: Page, column: str, value: str) -> None:
    """Fill the last line of the filter form, as a person would."""
    line = page.locator("form.filters .filter-row").filter(has=page.locator("input[type=text]"))
    await line.last.locator("select").first.select_option(column)
    await line.last.locator("input[type=text]").fill(value)
    async with page.expect_navigation():
        await page.locator("form.filters input[type=submit]").click()


async def read(page: Page, columns: list[str]) -> list[dict[str, str]]:
    """Return the rows of the page that is shown."""
    names = await page.locator("table.rows-and-columns thead th").evaluate_all(
        "cells => cells.map(cell => cell.dataset.column ?? cell.innerText.trim())"
    )
    cells = await page.locator("table.rows-and-columns tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    found = [dict(zip(names, row, strict=True)) for row in cells]
    return [{name: row[name] for name in columns or names} for row in found]
