"""Says whether the browser is still signed in."""

from __future__ import annotations

from playwright.async_api import Page

from runwright.sdk import get_auth_session_parameters, go_to


async def check(page: Page) -> bool:
    """Look at a page that shows who one is, and shows the sign-in form to everybody else."""
    parameters = await get_auth_session_parameters()
    await go_to(page, f"{parameters['url']}/account")
    return await page.get_by_text("Signed in as").is_visible()
