"""Reading a project's own settings and requirements."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runwright.domain.projects import BrowserKind, Isolation
from runwright.errors import AuthorError
from runwright.execution import project_folder

_JSONC = """\
// what it is
{
  "projectName": "shop", // its name
  "apiAccess": { "enabled": false },
  "replication": { "maxConcurrentRequests": 4, "size": "large", },
  "browserSize": { "width": 1000, /* and */ "height": 700 },
  "defaults": { "retry": { "maximumAttempts": 2 }, "requestTimeout": 30, "proxy": "http://x//y" },
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
    assert found.default_proxy == "http://x//y"
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
    assert found.requirements.packages == ("httpx",)
    assert found.requirements.python == ">=3.12"


def test_requirements_txt_is_read_without_its_comments(tmp_path: Path) -> None:
    text = "# for us\nhttpx>=0.27  # newest\n\n-e .\n"

    found = project_folder.read(_write(tmp_path, requirements__txt=text)).requirements

    assert "httpx>=0.27" in found.packages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"headful": "yes"}', "headful"),
        ('{"replication": {"maxConcurrentRequests": 0}}', "max_concurrent_requests"),
        ('{"browserSize": {"width": 9999}}', "from 200 to 3840"),
        ('{"browser": "firefox"}', '"shell" or "chromium"'),
        ("[]", "one object"),
        ("{", "Intuned.json"),
    ],
)
def test_a_wrong_setting_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AuthorError) as caught:
        project_folder.read(_write(tmp_path, Intuned__json=text))

    assert "Intuned.json" in caught.value.message
    assert said in caught.value.message


def test_a_comment_sign_inside_a_text_is_text() -> None:
    assert (
        project_folder.without_comments('{"a": "x // y /* z */", }') == '{"a": "x // y /* z */"  }'
    )
