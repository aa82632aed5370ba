"""Which requests the dashboard accepts as its own, where it redirects people, and which cookie it uses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request

from runwright import config
from runwright.errors import Forbidden
from runwright.web.dashboard import sign_in
from runwright.web.dashboard.kit import identity, route


def _request(
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    public: str = "",
    **more: Any,
) -> Request:
    given = {"host": "own.example", **(headers or {})}
    settings = config.read({"RUNWRIGHT_URL": public} if public else {})
    return Request(
        {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/a",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "app": SimpleNamespace(
                state=SimpleNamespace(platform=SimpleNamespace(settings=settings))
            ),
            **more,
        }
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "cross-site", "origin": "http://own.example"},
        {"origin": "http://other.example"},
        {"origin": "http://own.example:8080"},
        {"origin": "null"},
        {"origin": ""},
    ],
)
def test_what_another_site_s_page_sends_changes_nothing(headers: dict[str, str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        with pytest.raises(Forbidden):
            route.refuse_forged(_request(headers, method=method))
    for method in ("GET", "HEAD", "OPTIONS"):
        route.refuse_forged(_request(headers, method=method))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "http://behind-a-proxy.example"},
        {"origin": "http://own.example"},
        {"origin": "http://own.example:8080", "host": "own.example:8080"},
    ],
)
def test_what_the_dashboard_s_own_page_sends_is_taken(headers: dict[str, str]) -> None:
    route.refuse_forged(_request(headers))


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ({"sec-fetch-mode": "navigate"}, True),
        ({"sec-fetch-mode": "cors", "accept": "text/html"}, False),
        ({"accept": "text/html,*/*"}, True),
        ({"accept": "application/json"}, False),
        ({}, False),
    ],
)
def test_a_person_waits_for_a_page_and_a_script_for_an_answer(
    headers: dict[str, str], is_one: bool
) -> None:
    assert route.is_navigation(_request(headers)) is is_one


@pytest.mark.parametrize(
    ("place", "led_to"),
    [
        ("/projects/a?x=1", "/projects/a?x=1"),
        ("", "/"),
        ("projects", "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("/é", "/"),
        ("/a\tb", "/"),
    ],
)
def test_signing_in_leads_to_a_place_of_the_dashboard(place: str, led_to: str) -> None:
    assert sign_in._inside(place) == led_to


@pytest.mark.parametrize(
    ("method", "more", "location"),
    [
        ("GET", {"path": "/projects", "query_string": b"a=1"}, "/sign-in?next=/projects%3Fa%3D1"),
        ("GET", {"path": "/projects"}, "/sign-in?next=/projects"),
        ("GET", {"path": "/"}, "/sign-in"),
        ("POST", {"path": "/projects"}, "/sign-in"),
        ("GET", {"path": "/m/projects", "root_path": "/m"}, "/m/sign-in?next=/projects"),
    ],
)
def test_who_is_not_signed_in_comes_back_to_what_she_looked_at(
    method: str, more: dict[str, Any], location: str
) -> None:
    answer = route._to_sign_in(_request(method=method, **more))

    assert (answer.status_code, answer.headers["location"]) == (303, location)


@pytest.mark.parametrize(
    ("scheme", "public", "is_secure"),
    [
        ("http", "", False),
        ("https", "", True),
        ("http", "https://own.example", True),
        ("http", "http://own.example", False),
    ],
)
def test_a_cookie_stays_on_https_where_the_dashboard_is_seen_there(
    scheme: str, public: str, is_secure: bool
) -> None:
    assert sign_in._is_secure(_request(scheme=scheme, public=public)) is is_secure


def test_installations_on_two_ports_of_a_host_have_cookies_of_their_own() -> None:
    hosts = ["own.example", "own.example:8000", "own.example:8001"]

    names = [identity.cookie_name(_request({"host": host})) for host in hosts]

    assert names == ["runwright_session", "runwright_session_8000", "runwright_session_8001"]


@pytest.mark.parametrize(
    ("cookie", "shown"), [("dark", "dark"), ("light", "light"), ("<b>", "auto"), (None, "auto")]
)
def test_a_theme_is_one_of_ours(cookie: str | None, shown: str) -> None:
    headers = {} if cookie is None else {"cookie": f"runwright_theme={cookie}"}

    assert identity.theme(_request(headers)) == shown
