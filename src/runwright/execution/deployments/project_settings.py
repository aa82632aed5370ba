"""Parses a project's settings; errors name the key and the file."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast

from runwright.domain.projects import BrowserKind, Isolation, ProjectSettings
from runwright.domain.text import proxies
from runwright.errors import AuthorError

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WIDTHS = (200, 3840)
_HEIGHTS = (200, 2160)
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
_Choice = TypeVar("_Choice", bound=StrEnum)


class SettingsReader:
    """Reads typed values from a settings table; keys may be snake_case or camelCase."""

    def __init__(self, body: dict[str, Any], source: str, *, is_native: bool) -> None:
        self._body: dict[str, Any] = _snake_keys(body)
        self._source = source
        self.is_native = is_native

    def get(self, path: str) -> Any:
        """The value of a key such as `browser_size.width`; None if it is not set.

        Raises:
            AuthorError: a parent of the key is not a table.
        """
        value: Any = self._body
        parts = path.split(".")
        for depth, part in enumerate(parts):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise self.error(".".join(parts[:depth]), "must be an object")
            value = value.get(part)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return value  # pyright: ignore[reportUnknownVariableType]

    def boolean(self, path: str, *, default: bool) -> bool:
        """A boolean."""
        value = self.get(path)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(path, value, "true or false")
        return value

    def whole(self, path: str, *, low: int, high: int | None = None) -> int | None:
        """An integer within bounds; None if it is not set."""
        value = self.get(path)
        if value is None:
            return None
        is_whole = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_whole or value % 1 or value < low or (high is not None and value > high):
            bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
            raise self.wrong(path, value, f"an integer {bounds}")
        return int(value)

    def text(self, path: str) -> str | None:
        """A non-empty string; None if it is empty or not set."""
        value = self.get(path)
        if value is not None and not isinstance(value, str):
            raise self.wrong(path, value, "a string")
        return value or None

    def choice(self, path: str, kind: type[_Choice], default: _Choice) -> _Choice:
        """A member of an enum."""
        value = self.get(path)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError as error:
            expected = " or ".join(f'"{item.value}"' for item in kind)
            raise self.wrong(path, value, expected) from error

    def spelled(self, path: str) -> str:
        """The key as spelled in the project's format."""
        return path if self.is_native else re.sub(r"_([a-z])", lambda m: m[1].upper(), path)

    def wrong(self, path: str, value: object, expected: str) -> AuthorError:
        """The error for a key with an unexpected value."""
        return self.error(path, f"is {value!r:.200}, but must be {expected}")

    def error(self, path: str, message: str) -> AuthorError:
        """The error for a key."""
        return AuthorError(f"{self._source}: `{self.spelled(path)}` {message}.")


def of(reader: SettingsReader) -> ProjectSettings:
    """A project's settings, with defaults for those not set.

    Raises:
        AuthorError: a value is invalid; names the key and the file.
    """
    is_native = reader.is_native
    default_browser = BrowserKind.SHELL if is_native else BrowserKind.CHROMIUM
    width, height = _NATIVE_WINDOW if is_native else _INTUNED_WINDOW
    headful = reader.boolean("headful", default=False)
    browser = reader.choice("browser", BrowserKind, default_browser)
    replication = reader.whole("replication.max_concurrent_requests", low=1)
    older_name = reader.whole("replication.max_count", low=1)
    return ProjectSettings(
        kind="native" if is_native else "intuned",
        max_queued_runs=reader.whole("queue.max_length", low=1),
        queue_time_to_live=_seconds(reader, "queue.time_to_live"),
        is_api_access_enabled=reader.boolean("api_access.enabled", default=True),
        max_concurrent_runs=replication if replication is not None else older_name,
        headful=headful,
        window_width=reader.whole("browser_size.width", low=_WIDTHS[0], high=_WIDTHS[1]) or width,
        window_height=reader.whole("browser_size.height", low=_HEIGHTS[0], high=_HEIGHTS[1])
        or height,
        user_agent=reader.text("user_agent"),
        ignore_https_errors=reader.boolean("ignore_https_errors", default=False),
        browser=BrowserKind.CHROMIUM if headful else browser,
        isolation=reader.choice("isolation", Isolation, Isolation.MODULE),
        has_auth_sessions=reader.boolean("auth_sessions.enabled", default=False),
        save_session_traces=reader.boolean("auth_sessions.save_traces", default=False),
        session_check_every=float(reader.whole("auth_sessions.check_every", low=0) or 0),
        session_start_url=reader.text("auth_sessions.start_url"),
        session_finish_url=reader.text("auth_sessions.finish_url"),
        default_maximum_attempts=reader.whole("defaults.retry.maximum_attempts", low=1),
        default_request_timeout=_seconds(reader, "defaults.request_timeout"),
        unsupported=_unsupported(reader),
    )


def proxy(reader: SettingsReader, *paths: str) -> str | None:
    """The proxy set by the first of the keys that has a value.

    Raises:
        AuthorError: it is a proxy of the hosted platform, or not a proxy URL.
    """
    for path in paths:
        value = reader.get(path)
        if value is None or value == "":
            continue
        # The value may contain a password, so messages never show it.
        if isinstance(value, str) and value.startswith(_HOSTED):
            raise reader.error(
                path,
                "names a proxy of the hosted platform, which does not exist here: use your own",
            )
        if not isinstance(value, str) or not proxies.is_proxy(value):
            raise reader.error(path, proxies.EXPECTED)
        return value
    return None


def _seconds(reader: SettingsReader, path: str) -> timedelta | None:
    value = reader.whole(path, low=1)
    return None if value is None else timedelta(seconds=value)


def _unsupported(reader: SettingsReader) -> tuple[str, ...]:
    """Settings that are in use but not supported here."""
    found = [path for path in _UNSUPPORTED if _is_on(reader.get(path))]
    given = reader.get("proxy")
    if given is not None and not isinstance(given, dict):
        raise reader.error("proxy", "must be an object with `deployed` and `dev`")
    names = cast("dict[str, Any]", given or {})
    found += [f"proxy.{name}" for name in names if name not in ("deployed", "dev")]
    return tuple(reader.spelled(path) for path in found)


def _is_on(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("enabled", True) is not False  # pyright: ignore[reportUnknownMemberType]
    return value is not None and value is not False


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_WORD.sub("_", str(key)).lower(): _snake_keys(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value
