"""Reading a project's own settings and requirements."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from runwright.domain.projects import BrowserKind, Isolation
from runwright.domain.text import proxies
from runwright.errors import AuthorError
from runwright.execution.deployments import jsonc, project_folder

_JSONC = """\
// what it is
{
  "projectName": "shop", // its name
  "apiAccess": { "enabled": false },
  "replication": { "maxConcurrentRequests": 4, "size": "large", },
  "browserSize": { "width": 1000, /* and */ "height": 700 },
  "defaults": { "retry": { "maximumAttempts": 2 }, "requestTimeout": 30 },
  "unknown": [1, 2,],
}
"""


def _write(root: Path, **files: str) -> Path:
    (root / "api").mkdir()
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def test_jsonc_with_comments_and_trailing_commas(tmp_path: Path) -> None:
    found = project_folder.read(_write(tmp_path, Intuned__jsonc=_JSONC)).settings

    assert found.kind == "intuned"
    assert found.is_api_access_enabled is False
    assert found.max_concurrent_runs == 4
    assert (found.window_width, found.window_height) == (1000, 700)
    assert found.default_maximum_attempts == 2
    assert found.default_request_timeout == timedelta(seconds=30)
    assert found.browser is BrowserKind.CHROMIUM
    assert found.unsupported == ("replication.size",)


def test_the_older_name_of_the_concurrency_setting(tmp_path: Path) -> None:
    text = '{"replication": {"maxCount": 2}}'

    assert (
        project_folder.read(_write(tmp_path, Intuned__json=text)).settings.max_concurrent_runs == 2
    )


def test_native_settings_are_in_snake_case(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "x"\nrequires-python = ">=3.12"\n'
        'dependencies = ["httpx", "intuned_runtime==1.0", "runwright"]\n'
        '[tool.runwright]\nisolation = "process"\nreplication = { max_concurrent_requests = 1 }\n'
    )

    found = project_folder.read(_write(tmp_path, pyproject__toml=text))

    assert found.settings.isolation is Isolation.PROCESS
    assert found.settings.browser is BrowserKind.SHELL
    assert found.settings.max_concurrent_runs == 1
    assert "httpx" in found.requirements.requirements.packages
    assert found.requirements.requirements.python == ">=3.12"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"headful": "yes"}', "headful"),
        ('{"headful": 1}', "true or false"),
        ('{"replication": {"maxConcurrentRequests": 0}}', "`replication.maxConcurrentRequests`"),
        ('{"replication": {"maxConcurrentRequests": 1.5}}', "integer"),
        ('{"replication": {"maxConcurrentRequests": 1e300}}', "from 1 to 2147483647"),
        ('{"defaults": {"requestTimeout": 100000000000000}}', "`defaults.requestTimeout`"),
        ('{"authSessions": {"checkEvery": 100000000000000}}', "`authSessions.checkEvery`"),
        ('{"replication": [2]}', "`replication` must be an object"),
        ('{"apiAccess": false}', "`apiAccess` is false, and must be an object"),
        ('{"defaults": {"retry": 3}}', "`defaults.retry` is 3, and must be an object"),
        ('{"authSessions": {"enabled": "true"}}', "`authSessions.enabled`"),
        ('{"ignoreHttpsErrors": "yes"}', "`ignoreHttpsErrors`"),
        ('{"proxy": "http://h:1"}', "`deployed` and `dev`"),
        (
            '{"proxy": {"deployed": "intuned://static"}}',
            "`proxy.deployed` names a proxy of the hosted",
        ),
        ('{"proxy": {"dev": "intuned://static"}}', "`proxy.dev`"),
        ('{"proxy": {"deployed": {"server": "h"}}}', "`proxy.deployed` must be a URL"),
        ('{"proxy": {"deployed": "socks4://h:1"}}', "socks5"),
        ('{"defaults": {"proxy": "h:1"}}', "`defaults.proxy`"),
        ('{"browserSize": {"width": 9999}}', "from 200 to 3840"),
        ('{"browser": "firefox"}', "`shell` or `chromium`"),
        ("[]", "a JSON object"),
        ("{", "Intuned.json"),
    ],
)
def test_a_wrong_setting_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AuthorError) as caught:
        project_folder.read(_write(tmp_path, Intuned__json=text))

    assert "Intuned.json" in caught.value.message
    assert said in caught.value.message


def test_all_wrong_settings_are_told_at_once_as_their_author_spells_them(tmp_path: Path) -> None:
    text = (
        '{"headful": "yes", "replication": {"maxConcurrentRequests": 1.5}, "browserSize": [1], '
        '"defaults": {"requestTimeout": true}}'
    )

    with pytest.raises(AuthorError) as caught:
        project_folder.read(_write(tmp_path, Intuned__json=text))

    assert caught.value.message == (
        "Intuned.json: `replication.maxConcurrentRequests` is 1.5, and must be an integer from 1 to 2147483647; "
        '`headful` is "yes", and must be a boolean: true or false; `browserSize` must be an object; '
        "`defaults.requestTimeout` is true, and must be an integer from 1 to 2147483647."
    )


def test_a_comment_sign_inside_a_text_is_text() -> None:
    assert jsonc.without_comments('{"a": "x // y /* z */", }') == '{"a": "x // y /* z */"  }'


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, ' + "/" * 50_000 + "\n}", '{"a": 1' + ", /*" * 10_000, '"' * 50_001],
    ids=["line of slashes", "comments without an end", "quotes"],
)
def test_comments_take_no_longer_than_their_length(text: str) -> None:
    began = time.process_time()

    jsonc.without_comments(text)

    assert time.process_time() - began < 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_settings_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "Intuned.json").write_text('{"headful": true}', encoding=encoding)

    assert project_folder.read(tmp_path).settings.headful is True


def test_windows_differ_by_format(tmp_path: Path) -> None:
    native = project_folder.read(_write(tmp_path, pyproject__toml="")).settings
    (tmp_path / "Intuned.json").write_text("{}")
    intuned = project_folder.read(tmp_path).settings
    (tmp_path / "Intuned.json").write_text('{"browserSize": {"width": 200.0}}')
    narrow = project_folder.read(tmp_path).settings

    assert (native.window_width, native.window_height) == (1280, 800)
    assert (intuned.window_width, intuned.window_height) == (1024, 800)
    assert (narrow.window_width, narrow.window_height) == (200, 800)


@pytest.mark.parametrize("key", ["ignore_https_errors", "ignoreHttpsErrors", "ignoreHTTPSErrors"])
@pytest.mark.parametrize("form", ["Intuned.json", "pyproject.toml"])
def test_keys_may_be_spelled_either_way(tmp_path: Path, key: str, form: str) -> None:
    (tmp_path / "api").mkdir()
    text = f'{{"{key}": true}}' if form == "Intuned.json" else f"[tool.runwright]\n{key} = true\n"
    (tmp_path / form).write_text(text)

    assert project_folder.read(tmp_path).settings.ignore_https_errors is True


@pytest.mark.parametrize(
    ("settings", "deployed", "dev"),
    [
        ('{"proxy": {"deployed": "http://a:1", "dev": "http://b:2"}}', "http://a:1", "http://b:2"),
        ('{"proxy": {"deployed": "http://a:1"}}', "http://a:1", None),
        ('{"proxy": {"deployed": null, "dev": ""}}', None, None),
        ('{"defaults": {"proxy": "http://c:3"}}', "http://c:3", "http://c:3"),
        (
            '{"proxy": {"deployed": "http://a:1"}, "defaults": {"proxy": "http://c:3"}}',
            "http://a:1",
            "http://c:3",
        ),
    ],
)
def test_a_projects_proxies(
    tmp_path: Path, settings: str, deployed: str | None, dev: str | None
) -> None:
    found = project_folder.read(_write(tmp_path, Intuned__json=settings))

    assert (found.secrets.proxy, found.dev_proxy) == (deployed, dev)
    assert "://" not in str(found.settings)


@pytest.mark.parametrize("deployed", ["", '{"deployed": '], ids=["alone", "by its name"])
def test_no_message_shows_the_password_of_a_proxy(tmp_path: Path, deployed: str) -> None:
    text = f'{{"proxy": {deployed}"socks4://user:secret@h:1"{"}" if deployed else ""}}}'

    with pytest.raises(AuthorError) as caught:
        project_folder.read(_write(tmp_path, Intuned__json=text))

    assert "secret" not in caught.value.message


def test_what_has_no_meaning_here_is_told_unless_it_is_off(tmp_path: Path) -> None:
    text = (
        '{"region": "us", "stealthMode": {"enabled": true}, "captchaSolver": {"enabled": false},'
        ' "proxy": {"prod": "http://h:1"}, "authSessions": {"browserMode": "x"}, "other": 1}'
    )

    found = project_folder.read(_write(tmp_path, Intuned__json=text)).settings

    assert found.unsupported == ("region", "stealthMode", "authSessions.browserMode", "proxy.prod")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a:1", True),
        ("https://user@a.example", True),
        ("HTTP://user:p%40%20s@[::1]:80", True),
        ("http://user:p@ss@a:1", True),
        ("socks5://user:pass@a_b.example:1080", True),
        ("socks5h://пример.рф", True),
        ("socks5://u:" + "%C3%A9" * 127 + "@a:1", True),
        ("socks5://u:" + "%C3%A9" * 128 + "@a:1", False),
        ("socks5://u:" + "p" * 255 + "@a:1", True),
        ("socks5://" + "u" * 256 + ":p@a:1", False),
        ("http://u:" + "p" * 256 + "@a:1", True),
        ("http://" + "a." * 126 + "a:1", True),
        ("http://" + "a." * 126 + "ab:1", False),
        ("http://[v1.a:b]:1", False),
        ("http://u:\x7f@a:1", False),
        ("socks4://a:1", False),
        ("a:1", False),
        ("http://", False),
        ("http://a:0", False),
        ("http://a:65536", False),
        ("http://a b:1", False),
        ("http://user:p#ss@a:1", False),
        ("http://999.1.1.1:1", False),
        ("http://[fe80::1%25eth0]:1", False),
        ("http://[::1", False),
        ("http://a..b", False),
        ("http://a:1\r\nx: y", False),
    ],
)
def test_what_is_a_proxy(text: str, expected: bool) -> None:
    assert proxies.is_proxy(text) is expected
