"""URLs with credentials: what is sent for them, and how much of them is shown."""

from __future__ import annotations

import base64

import httpx2
import pytest
from hypothesis import given, strategies as st

from runwright.domain.text import proxies, urls
from runwright.domain.text.urls import InvalidUrl


def _decoded(url: str) -> str | None:
    found = urls.authorization(url)
    return None if found is None else base64.b64decode(found.removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("userinfo", "credentials"),
    [
        ("user:pass", "user:pass"),
        ("user:p%40ss%3Aw%2Frd", "user:p@ss:w/rd"),
        ("user:p@ss", "user:p@ss"),
        ("user:a:b", "user:a:b"),
        ("us%C3%A9r:%E6%97%A5", "usér:日"),
        ("usér:日", "usér:日"),
        ("user:a+b%zz", "user:a+b%zz"),
        ("token", "token:"),
        ("token:", "token:"),
        (":pass", ":pass"),
    ],
)
def test_a_user_and_password_become_basic_credentials(userinfo: str, credentials: str) -> None:
    assert _decoded(f"https://{userinfo}@example.com/x") == credentials


@pytest.mark.parametrize("url", ["https://example.com/", "https://@example.com/", "https://:@h/"])
def test_nobody_is_no_credentials(url: str) -> None:
    assert urls.authorization(url) is None


@given(user=st.text(min_size=1), password=st.text())
def test_credentials_are_those_that_clients_send(user: str, password: str) -> None:
    url = httpx2.URL("https://example.com/", username=user, password=password)
    request = httpx2.Request("GET", url)
    flow = httpx2.BasicAuth(url.username, url.password).sync_auth_flow(request)
    sent = next(flow).headers["authorization"]

    assert urls.authorization(str(url)) == sent


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a?b", "https://example.com/a?********"),
        ("https://u:p@example.com:8443/a", "https://u:********@example.com:8443/a"),
        ("https://u:p@s@s@h/a", "https://u:********@h/a"),
        ("https://token@h/", "https://********@h/"),
        ("https://token:@h/", "https://********@h/"),
        ("https://h/a?token=x&y=&z=1=2#part", "https://h/a?token=********&y=&z=********"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("socks5://u:p@h:1080", "socks5://u:********@h:1080"),
    ],
)
def test_what_is_secret_of_an_address_is_not_shown(url: str, shown: str) -> None:
    assert urls.masked(url) == shown
    assert urls.unmasked(shown, url) == url
    assert urls.unmasked("https://other.example/", url) == "https://other.example/"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (
            "https://us%40er:p%20w@h/a?token=a%2Fb&flag&x=#part",
            {"us%40er:p%20w", "us@er:p w", "p%20w", "p w", "a%2Fb", "a/b", "flag"},
        ),
        ("https://token@h/", {"token"}),
        ("https://token:@h/", {"token:", "token"}),
        ("https://h/a", set[str]()),
    ],
)
def test_no_part_of_an_address_that_is_secret_is_told_in_any_form(
    url: str, secret: set[str]
) -> None:
    basic = (urls.authorization(url) or "").removeprefix("Basic ")

    assert set(urls.secrets(url)) == secret | ({basic} - {""})


def test_an_address_may_name_any_port() -> None:
    urls.check("http://x:1/")


@pytest.mark.parametrize(
    "text",
    ["ftp://x", "http://", "x", "http://x:99999/", "http://x/ y", "http://x/\r\ny", "http://[::1",
     "http://x:0/", "http://x/\x7f", "http://a\u2024b.example/", "http://*.bücher.example/", "https://u:********@h/"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidUrl):
        urls.check(text)


def test_a_proxy_is_no_mask() -> None:
    assert proxies.is_proxy("http://u:p@h:1")
    assert not proxies.is_proxy("http://u:********@h:1")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("https://h/a", "https://H:443/b?c", True),
        ("https://u:p@h/a", "https://h/a", True),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", True),
        ("https://\uff42ücher.example/", "https://xn--bcher-kva.example/", True),
        ("http://h/", "http://h:80/", True),
        ("http://h/", "https://h/", False),
        ("http://h/", "h", False),
        ("http://h/", "http://h:8080/", False),
        ("http://h/", "http://h.example/", False),
        ("http://h/", "http://h:x/", False),
    ],
)
def test_what_leads_to_the_same_place(one: str, other: str, is_same: bool) -> None:
    assert urls.is_same_origin(one, other) is is_same
