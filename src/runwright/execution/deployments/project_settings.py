"""What a project's settings say, as values, or which keys of which file are wrong."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Any, cast

from pydantic import ConfigDict, Field, TypeAdapter

from runwright.domain.projects import BrowserKind, Isolation, ProjectSettings
from runwright.domain.text import fields, proxies
from runwright.domain.text.fields import Fields, InvalidFields, Whole
from runwright.errors import AuthorError, Problem

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NATIVE_WINDOW = (1280, 800)
_INTUNED_WINDOW = (1024, 800)
_UNSUPPORTED = (
    "replication.size",
    "region",
    "stealth_mode",
    "captcha_solver",
    "auth_sessions.browser_mode",
)
_HOSTED = "intuned://"
_Count = Annotated[int, Whole(1, fields.LARGEST_INTEGER)]


class _Table(Fields):
    """A table of settings, whose keys are in snake_case by now."""

    model_config = ConfigDict(alias_generator=None)


class _Queue(_Table):
    max_length: _Count | None = None
    time_to_live: _Count | None = None
    """Seconds, as all times here."""


class _ApiAccess(_Table):
    enabled: bool = True


class _Replication(_Table):
    max_concurrent_requests: _Count | None = None
    max_count: _Count | None = None
    """The older name of that."""


class _BrowserSize(_Table):
    width: Annotated[int, Whole(200, 3840)] | None = None
    height: Annotated[int, Whole(200, 2160)] | None = None


class _AuthSessions(_Table):
    enabled: bool = False
    save_traces: bool = False
    check_every: Annotated[int, Whole(0, fields.LARGEST_INTEGER)] = 0
    start_url: str | None = None
    finish_url: str | None = None


class _Retry(_Table):
    maximum_attempts: _Count | None = None


class _Defaults(_Table):
    retry: _Retry = _Retry()
    request_timeout: _Count | None = None


class _Settings(_Table):
    """All that is read; the rest is ignored, or told of as unsupported."""

    queue: _Queue = _Queue()
    api_access: _ApiAccess = _ApiAccess()
    replication: _Replication = _Replication()
    headful: bool = False
    browser_size: _BrowserSize = _BrowserSize()
    user_agent: str | None = None
    ignore_https_errors: bool = False
    browser: Annotated[BrowserKind, Field(strict=False)] | None = None
    isolation: Annotated[Isolation, Field(strict=False)] = Isolation.MODULE
    auth_sessions: _AuthSessions = _AuthSessions()
    defaults: _Defaults = _Defaults()
    proxy: Annotated[
        dict[str, Any], fields.Expected("must be an object with `deployed` and `dev`")
    ] = Field(default_factory=dict[str, Any])


_SETTINGS = TypeAdapter(_Settings)


class SettingsTable:
    """A project's settings as they stand in a file; keys may be in snake_case or camelCase."""

    def __init__(self, body: dict[str, Any], source: str, *, is_native: bool) -> None:
        self._body: dict[str, Any] = _snake_keys(body)
        self._source = source
        """The file, and the table in it."""
        self._is_native = is_native

    def settings(self) -> ProjectSettings:
        """The settings, with our defaults where the table is silent.

        Raises:
            AuthorError: a value cannot be; says which keys of which file.
        """
        try:
            found = fields.read(_SETTINGS, self._body)
        except InvalidFields as error:
            said = "; ".join(self._said(each) for each in error.problems)
            raise AuthorError(f"{self._source}: {said}.") from error
        unsupported = [path for path in _UNSUPPORTED if _is_on(self._get(path))]
        unsupported += [f"proxy.{name}" for name in found.proxy if name not in ("deployed", "dev")]
        return _project_settings(
            found, tuple(map(self._spelled, unsupported)), is_native=self._is_native
        )

    def proxy(self, *paths: str) -> str | None:
        """The proxy that the first of some keys with a value names.

        Raises:
            AuthorError: it is one of the hosted platform's own, or none.
        """
        given = [(path, value) for path in paths if (value := self._get(path)) not in (None, "")]
        if not given:
            return None
        path, value = given[0]
        # The value may hold a password, so no message shows it.
        message = proxies.EXPECTED
        if isinstance(value, str) and value.startswith(_HOSTED):
            message = "names a proxy of the hosted platform, which is not here: name one of yours"
        elif isinstance(value, str) and proxies.is_proxy(value):
            return value
        raise AuthorError(f"{self._source}: `{self._spelled(path)}` {message}.")

    def _get(self, path: str) -> Any:
        """The value of a key such as `browser_size.width`; None where there is none."""
        value: Any = self._body
        for part in path.split("."):
            value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
        return value

    def _said(self, problem: Problem) -> str:
        value = self._get(problem.path)
        # A proxy may hold a password.
        is_plain = isinstance(value, str | bool | int | float) and problem.path != "proxy"
        shown = f"is {json.dumps(value):.200}, and " if is_plain else ""
        return f"`{self._spelled(problem.path)}` {shown}{problem.message}"

    def _spelled(self, path: str) -> str:
        """A key as its author spells it."""
        return path if self._is_native else re.sub(r"_([a-z])", lambda m: m[1].upper(), path)


def _project_settings(
    found: _Settings, unsupported: tuple[str, ...], *, is_native: bool
) -> ProjectSettings:
    width, height = _NATIVE_WINDOW if is_native else _INTUNED_WINDOW
    default_browser = BrowserKind.SHELL if is_native else BrowserKind.CHROMIUM
    browser = BrowserKind.CHROMIUM if found.headful else found.browser or default_browser
    replication, sessions = found.replication, found.auth_sessions
    return ProjectSettings(
        kind="native" if is_native else "intuned",
        max_queued_runs=found.queue.max_length,
        queue_time_to_live=_seconds(found.queue.time_to_live),
        is_api_access_enabled=found.api_access.enabled,
        max_concurrent_runs=replication.max_concurrent_requests or replication.max_count,
        headful=found.headful,
        window_width=found.browser_size.width or width,
        window_height=found.browser_size.height or height,
        user_agent=found.user_agent or None,
        ignore_https_errors=found.ignore_https_errors,
        browser=browser,
        isolation=found.isolation,
        has_auth_sessions=sessions.enabled,
        save_session_traces=sessions.save_traces,
        session_check_every=float(sessions.check_every),
        session_start_url=sessions.start_url or None,
        session_finish_url=sessions.finish_url or None,
        default_maximum_attempts=found.defaults.retry.maximum_attempts,
        default_request_timeout=_seconds(found.defaults.request_timeout),
        unsupported=unsupported,
    )


def _seconds(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _is_on(value: Any) -> bool:
    """True for what is set, and not switched off."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get("enabled", True) is not False
    return value is not None and value is not False


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        body = cast("dict[Any, Any]", value)
        return {_WORD.sub("_", str(key)).lower(): _snake_keys(item) for key, item in body.items()}
    return value
