"""Who calls the API by a key, who looks at the dashboard by a visit, and what each of them may."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import Request, Response

from runwright.control.access import dashboard_sessions, keys
from runwright.control.base.platform import Platform
from runwright.domain.ids import WorkspaceId
from runwright.domain.projects import ALL_SCOPES, Scope
from runwright.errors import Forbidden, NotFound, Unauthorized
from runwright.web.dashboard import sign_in
from runwright.web.dashboard.kit import identity
from runwright.web.dashboard.kit.forms import Form
from runwright.web.server import callers

_ALLOWED = [
    ({Scope.READ}, {Scope.READ}),
    ({Scope.RUN}, {Scope.READ, Scope.RUN}),
    ({Scope.DEPLOY}, {Scope.DEPLOY}),
    ({Scope.ADMIN}, ALL_SCOPES),
    ({Scope.READ, Scope.DEPLOY}, {Scope.READ, Scope.DEPLOY}),
]


@pytest.fixture(name="workspace_id")
async def _workspace_id(platform: Platform) -> WorkspaceId:
    found, _ = await keys.ensure_first(platform, None)
    return found


async def _key(platform: Platform, workspace_id: WorkspaceId, *scopes: Scope) -> str:
    _, secret = await keys.create(platform, workspace_id, name="k", scopes=frozenset(scopes))
    return secret


@pytest.mark.parametrize(("scopes", "allowed"), _ALLOWED)
async def test_a_key_may_what_its_scopes_say_and_who_may_run_may_read(
    platform: Platform, workspace_id: WorkspaceId, scopes: set[Scope], allowed: set[Scope]
) -> None:
    secret = await _key(platform, workspace_id, *scopes)

    for scope in Scope:
        asked = callers.identify(platform, secret, str(workspace_id), scope)
        if scope in allowed:
            key = await asked
            assert (key.workspace_id, key.scopes) == (workspace_id, scopes)
        else:
            with pytest.raises(Forbidden, match=f"lacks the scope `{scope.value}`"):
                await asked


async def test_a_workspace_is_itself_however_its_id_is_written_and_another_is_not_told_of(
    platform: Platform, workspace_id: WorkspaceId
) -> None:
    secret = await _key(platform, workspace_id, Scope.READ)
    plain = UUID(str(workspace_id))

    for written in (str(plain), str(plain).upper(), plain.hex, f"{{{plain}}}", plain.urn):
        assert await callers.identify(platform, secret, written, Scope.READ)
    for other in (str(uuid4()), "none", "", f"{plain}0"):
        # Not even that the key lacks the scope.
        with pytest.raises(NotFound):
            await callers.identify(platform, secret, other, Scope.ADMIN)


@pytest.mark.parametrize("secret", [None, "", "rw_", "rw_wrong", "wrong", "rw_\xfc"])
async def test_without_a_key_nobody_calls(
    platform: Platform, workspace_id: WorkspaceId, secret: str | None
) -> None:
    for asked in (str(workspace_id), str(uuid4()), "none"):
        with pytest.raises(Unauthorized):
            await callers.identify(platform, secret, asked, Scope.READ)


def _request(
    platform: Platform, cookie: str | None, host: str = "own.example", **more: Any
) -> Request:
    headers = [(b"host", host.encode())]
    if cookie is not None:
        headers.append((b"cookie", cookie.encode()))
    state = SimpleNamespace(platform=platform)
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "headers": headers,
            "app": SimpleNamespace(state=state),
            **more,
        }
    )


@pytest.mark.parametrize(("scopes", "allowed"), _ALLOWED)
async def test_a_visitor_may_what_her_key_may(
    platform: Platform, workspace_id: WorkspaceId, scopes: set[Scope], allowed: set[Scope]
) -> None:
    visit = await dashboard_sessions.begin(platform, await _key(platform, workspace_id, *scopes))
    request = _request(platform, f"other=1; runwright_session={visit}")

    for scope in Scope:
        entering = identity._may(scope)(request)
        if scope in allowed:
            visitor = await entering
            assert (visitor.workspace_id, visitor.secret) == (workspace_id, visit)
            assert (visitor.can_run, visitor.can_deploy, visitor.is_admin) == tuple(
                each in allowed for each in (Scope.RUN, Scope.DEPLOY, Scope.ADMIN)
            )
        else:
            with pytest.raises(
                Forbidden, match=f"the key `k`, which lacks the scope `{scope.value}`"
            ):
                await entering


async def test_without_a_visit_nobody_is_signed_in(
    platform: Platform, workspace_id: WorkspaceId
) -> None:
    secret = await _key(platform, workspace_id, Scope.ADMIN)
    visit = await dashboard_sessions.begin(platform, secret)
    cookies = [
        None,
        "runwright_session=",
        f"runwright_session={secret}",
        f"runwright_session={visit}x",
    ]

    for request in (
        *[_request(platform, each) for each in cookies],
        # A cookie of an installation on another port.
        _request(platform, f"runwright_session={visit}", "own.example:8000"),
    ):
        assert await identity.find(request) is None
        with pytest.raises(identity.NotSignedIn):
            await identity.reader(request)


async def test_a_visit_goes_on_until_it_ends_its_time_is_over_or_its_key_is_revoked(
    platform: Platform, workspace_id: WorkspaceId
) -> None:
    async def begin() -> tuple[identity.User, Any]:
        key, secret = await keys.create(
            platform, workspace_id, name="k", scopes=frozenset({Scope.READ})
        )
        visit = await dashboard_sessions.begin(platform, secret)
        request = _request(platform, f"runwright_session_8000={visit}", "own.example:8000")
        found = await identity.find(request)
        assert found is not None
        assert await found.is_signed_in()
        return found, key

    ended, _ = await begin()
    revoked, key = await begin()
    staying, _ = await begin()
    await dashboard_sessions.end(platform, ended.secret)
    await keys.revoke(platform, workspace_id, key.id)

    assert [await each.is_signed_in() for each in (ended, revoked, staying)] == [
        False,
        False,
        True,
    ]
    await platform.database.execute("UPDATE visits SET expires_at = now() - interval '1 second'")
    assert not await staying.is_signed_in()


def _cookie(answer: Response) -> Morsel[str]:
    (found,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return found


@pytest.mark.parametrize(
    ("more", "path", "is_secure"),
    [({}, "/", False), ({"scheme": "https", "root_path": "/tools"}, "/tools", True)],
)
async def test_a_visit_s_cookie_is_out_of_reach_and_ends_with_the_visit(
    platform: Platform,
    workspace_id: WorkspaceId,
    more: dict[str, Any],
    path: str,
    is_secure: bool,
) -> None:
    secret = await _key(platform, workspace_id, Scope.READ)
    form = Form({"key": [f" {secret} "], "next": ["/projects?a=1"]})

    answer = await sign_in.sign_in(_request(platform, None, **more), form)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{path.rstrip('/')}/projects?a=1"
    cookie = _cookie(answer)
    assert (cookie.key, cookie["path"], bool(cookie["secure"])) == (
        "runwright_session",
        path,
        is_secure,
    )
    assert (bool(cookie["httponly"]), cookie["samesite"]) == (True, "lax")
    assert int(cookie["max-age"]) == platform.settings.visit_lifetime.total_seconds()
    request = _request(platform, f"{cookie.key}={cookie.value}", **more)
    visitor = await identity.find(request)
    assert visitor is not None

    out = await sign_in.sign_out(request)

    assert out.headers["location"] == f"{path.rstrip('/')}/sign-in"
    gone = _cookie(out)
    assert (gone.key, gone.value, gone["max-age"], gone["path"]) == (cookie.key, "", "0", path)
    assert not await visitor.is_signed_in()
    assert (await sign_in.sign_out(_request(platform, None))).status_code == 303


async def test_a_link_is_good_once_and_who_gets_in_by_nothing_is_told_why(
    platform: Platform, workspace_id: WorkspaceId
) -> None:
    key = await keys.authenticate(platform, await _key(platform, workspace_id, Scope.READ))
    link = Form(
        {"link": [await dashboard_sessions.new_link(platform, key)], "next": ["//evil.example"]}
    )
    request = _request(platform, None)

    good = await sign_in.sign_in(request, link)
    again = await sign_in.sign_in(request, link)
    wrong = await sign_in.sign_in(request, Form({"key": ["rw_wrong"]}))

    assert (good.status_code, good.headers["location"]) == (303, "/")
    for answer, told in ((again, b"was already used"), (wrong, b"Unknown or revoked key")):
        assert answer.status_code == 401
        assert told in answer.body
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("wanted", "kept"), [("dark", "dark"), ("<b>", "auto"), ("", "auto")])
async def test_colours_are_kept_for_a_year(platform: Platform, wanted: str, kept: str) -> None:
    form = Form({"theme": [wanted], "next": ["/system"]})
    request = _request(platform, None, scheme="https", root_path="/tools")

    answer = await sign_in.choose_theme(request, form)
    plain = _cookie(await sign_in.choose_theme(_request(platform, None), form))

    assert (answer.status_code, answer.headers["location"]) == (303, "/tools/system")
    cookie = _cookie(answer)
    assert (cookie.key, cookie.value, cookie["path"]) == ("runwright_theme", kept, "/tools")
    assert (cookie["max-age"], cookie["samesite"]) == (str(365 * 86_400), "lax")
    assert (bool(cookie["secure"]), bool(plain["secure"]), plain["path"]) == (True, False, "/")
