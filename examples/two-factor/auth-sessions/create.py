"""Signs in with a password and the code that an authenticator app would show."""

from __future__ import annotations

from typing import TypedDict

from playwright.async_api import Page

from runwright.sdk import go_to, one_time_code


class Params(TypedDict):
    """What a session is made from."""

    url: str
    user: str
    password: str
    secret: str
    """What the site showed when two-factor sign-in was set up: base32, or an `otpauth://` address."""


async def create(page: Page, params: Params) -> None:
    """Fill in both forms."""
    await go_to(page, f"{params['url']}/sign-in")
    await page.get_by_label("User").fill(params["user"])
    await page.get_by_label("Password").fill(params["password"])
    await page.get_by_role("button", name="Next").click()
    await page.get_by_label("Code").fill(await one_time_code(params["secret"]))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("Signed in as").wait_for()
