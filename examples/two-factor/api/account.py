"""Reads a page that only who is signed in can see."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from runwright.sdk import get_auth_session_parameters, go_to


async def automation(page: Page, _params: dict[str, Any]) -> str:
    """Return what the account page says; where that is the session knows."""
    parameters = await get_auth_session_parameters()
    await go_to(page, f"{parameters['url']}/account")
    return await page.locator("main").inner_text()
