"""A project's outside imports are loaded ahead of need, without running any of its own code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runwright.runner.project import preloading


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture(name="elsewhere")
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of modules that are not the project's."""
    folder = tmp_path / "elsewhere"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    names = ("plain", "within", "relative", "guarded", "late", "typed", "fallback", "package/part")
    _write(folder, {f"zz_{name}.py": "" for name in names} | {"zz_package/__init__.py": ""})
    return folder


def _loaded() -> set[str]:
    return {name for name in sys.modules if name.startswith("zz_")}


def test_modules_from_elsewhere_are_imported_and_the_projects_own_are_only_read(
    tmp_path: Path, elsewhere: Path
) -> None:
    assert elsewhere.is_dir()
    root = tmp_path / "project"
    _write(
        root,
        {
            "api/shop/a.py": "import zz_plain as p\nfrom lib import within\nfrom .helper import x\n"
            "from zz_package import part, nothing\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import zz_typed\n"
            "try:\n    import zz_guarded\nexcept ImportError:\n    import zz_fallback\n"
            "def f():\n    import zz_late\n"
            "raise SystemExit('this is run by nobody')\n",
            "api/shop/helper.py": "import zz_relative\nfrom ..shop import a\n",
            "lib/within.py": "import zz_within, none_such\nfrom lib.other import *\n",
            "lib/other.py": "1 / 0\n",
            "api/broken.py": "def (:\n",
        },
    )

    preloading.preload(root, ["api/shop/a.py", "api/broken.py", "api/gone.py"], is_native=False)

    assert _loaded() == {
        "zz_plain", "zz_within", "zz_relative", "zz_guarded", "zz_fallback", "zz_package", "zz_package.part",
    }  # fmt: skip
    assert not {"api", "lib", "lib.within"} & sys.modules.keys()
