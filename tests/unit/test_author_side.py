"""The modules that authors' interpreters need from us are staged once, and compiled, because Runners write no bytecode."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

from runwright.execution.runners import runner_package


def test_what_runners_import_of_us_is_compiled(tmp_path: Path) -> None:
    staged = runner_package.stage(tmp_path)

    files = list(staged.rglob("*.py"))
    assert staged / "runwright" / "runner" / "main.py" in files
    assert [each for each in files if not Path(cache_from_source(each)).is_file()] == []
    assert runner_package.stage(tmp_path) == staged
    assert list(tmp_path.iterdir()) == [staged]


def test_an_error_in_compiled_code_names_the_staged_file(tmp_path: Path) -> None:
    staged = runner_package.stage(tmp_path)
    asked = "from runwright import protocol; print(protocol.decode.__code__.co_filename)"

    told = subprocess.run(
        [sys.executable, "-B", "-P", "-v", "-c", asked],
        env={"PYTHONPATH": str(staged)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == str(staged / "runwright" / "protocol.py")
    assert f"matches {staged / 'runwright' / 'protocol.py'}" in told.stderr
