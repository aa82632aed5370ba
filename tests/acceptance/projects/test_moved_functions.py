"""Functions, imports, files and results of projects written for the hosted service behave as they do there."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.server import RunwrightServer

_SETTINGS = '\ufeff{\n  // "replication": /* not yet */\n  "browser": "shell", "url": "https://x.test/*y*/",\n}\n'
_FILES = {
    "Intuned.jsonc": _SETTINGS,
    "helpers/__init__.py": "",
    "helpers/text.py": "def shout(text):\n    return text.upper() + '!'\n",
    "plugins/one.py": "NAME = 'one'\n",
    "plugins/two.py": "NAME = 'two'\n",
    "star.py": "__all__ = ['A']\nA = 1\nB = 2\n",
    "circle_a.py": "import circle_b\nX = 1\ndef add():\n    return circle_b.Y + X\n",
    "circle_b.py": "import circle_a\nY = 2\n",
    "state.py": "count = 0\n",
    "src/inner/__init__.py": "from .deep import go\n",
    "src/inner/deep.py": "def go():\n    return 'deep'\n",
    # Names of ours, and what other tools leave about.
    "runner.py": "MINE = True\n",
    "protocol.py": "MINE = True\n",
    "config.py": "MINE = True\n",
    "setup.py": "raise SystemExit('never run')\n",
    "tests/test_nothing.py": "raise SystemExit('never run')\n",
    "data/cities.json": '["Köln"]',
    "api/shop/beside.txt": "beside",
}
_MODELS = """\
from pydantic import BaseModel
class Params(BaseModel):
    city: str
    limit: int = 3
async def automation(page, params: Params):
    return type(params).__name__, Params(**params).limit
"""
_ENUM = """\
from __future__ import annotations
from enum import Enum
from typing import TypedDict
class City(str, Enum):
    K = "K"
class Params(TypedDict):
    city: City
async def automation(page, params: Params | None = None, context=None, **_kwargs):
    return type(params["city"]).__name__, context, _kwargs
"""
_UNRESOLVED = """\
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from somewhere import Params
async def automation(page, params: Params) -> Params:
    return sorted(params)
"""
_DECORATED = """\
import functools
def logged(function):
    @functools.wraps(function)
    async def call(*args, **kwargs):
        return ["decorated", await function(*args, **kwargs)]
    return call
@logged
async def automation(page, params):
    return len(params)
"""
_METHOD = """\
class Shop:
    async def run(self, page, params):
        return "method"
automation = Shop().run
"""
_IMPORTS = """\
try:
    import ujson as json
except ImportError:
    import json
import importlib
import pkgutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))

import circle_a
import config
import plugins
import protocol
import runner
from helpers.text import shout
from inner import go
from star import *


async def automation(page, params):
    from helpers import text
    names = sorted(module.name for module in pkgutil.iter_modules(plugins.__path__))
    return {
        "circle": circle_a.add(),
        "star": sorted(name for name in globals() if name in "AB"),
        "late": text.shout is shout,
        "found": [importlib.import_module(f"plugins.{name}").NAME for name in names],
        "inner": go(),
        "names of ours": [runner.MINE, protocol.MINE, config.MINE],
    }
if __name__ == "__main__":
    raise SystemExit("not here")
"""
_ITSELF = """\
import inspect
import os
import pickle
import sys
from dataclasses import dataclass
@dataclass
class Item:
    name: str
async def automation(page, params):
    return [
        __name__, __package__, os.path.isabs(__file__), os.path.basename(__file__),
        os.path.realpath(sys.path[0]) == os.path.realpath(os.getcwd()),
        sys.modules[__name__].automation is automation, pickle.loads(pickle.dumps(Item("x"))).name,
        inspect.getsource(automation).splitlines()[0],
    ]
"""
_DATA = """\
import json
from pathlib import Path
BESIDE = (Path(__file__).parent / "beside.txt").read_text()
async def automation(page, params):
    with open("data/cities.json", encoding="utf-8") as file:
        return json.load(file), BESIDE
"""
_VALUES = """\
from collections import Counter, OrderedDict, defaultdict, namedtuple
from enum import Enum, IntEnum
from pydantic import BaseModel, Field
class Kind(str, Enum):
    PDF = "pdf"
class Level(IntEnum):
    HIGH = 4
class Text(str):
    def __str__(self):
        return "never"
class Item(BaseModel):
    is_new: bool = Field(True, alias="isNew")
    secret: str = Field("x", exclude=True)
Point = namedtuple("Point", "x y")
async def automation(page, params):
    many = defaultdict(list)
    many["x"].append((1, 2))
    return {
        "enums": [Kind.PDF, {Level.HIGH: Level.HIGH}],
        "text": [Text("real"), "\\ud83d", "\\0 \\u2028"],
        "keys": {1: "a", 2.5: "b", None: "d"},
        "kinds": [OrderedDict(a=1), many, Counter("aa"), Point(1, 2)],
        "models": [Item(), {"deep": (Item(),)}],
        "numbers": [10**30, 2.0, -0.0, 1e22],
    }
"""
_APIS = {
    "models": _MODELS,
    "enums": _ENUM,
    "unresolved": _UNRESOLVED,
    "any-positional": "async def automation(*args, **kwargs):\n    return len(args), kwargs\n",
    "named-otherwise": "async def automation(tab, inputs, *, retries=2):\n    return inputs, retries\n",
    "decorated": _DECORATED,
    "method": _METHOD,
    "from-elsewhere": "from star import A\nfrom api.method import automation\n",
    "create-alone": "async def create(page, params):\n    return 'create'\n",
    "imports": _IMPORTS,
    "itself": _ITSELF,
    "shop/files": _DATA,
    "shop/sibling": "from .files import BESIDE\nfrom ..method import Shop\n"
    "async def automation(page, params):\n    return BESIDE, Shop.__name__\n",
    "2fa/3d-view": "async def automation(page, params):\n    return __name__\n",
    "über/größe": "async def automation(page, params):\n    return __name__\n",
    "with space": "async def automation(page, params):\n    return __name__\n",
    "dot.ted": "async def automation(page, params):\n    return __name__\n",
    "crlf": "\ufeffasync def automation(page, params):\r\n\treturn 'crlf'\r\n",
    "counts": "import state\nasync def automation(page, params):\n"
    "    state.count += 1\n    return state.count\n",
    "nothing": "async def automation(page, params):\n    pass\n",
    "values": _VALUES,
}
_PARAMETERS = {"city": "K"}
_RIGHT: dict[str, Any] = {
    "models": ["dict", 3],
    "enums": ["str", None, {}],
    "unresolved": ["city"],
    "any-positional": [2, {}],
    "named-otherwise": [{"city": "K"}, 2],
    "decorated": ["decorated", 1],
    "method": "method",
    "from-elsewhere": "method",
    "create-alone": "create",
    "imports": {
        "circle": 3,
        "star": ["A"],
        "late": True,
        "found": ["one", "two"],
        "inner": "deep",
        "names of ours": [True, True, True],
    },
    "itself": [
        "api.itself",
        "api",
        True,
        "itself.py",
        True,
        True,
        "x",
        "async def automation(page, params):",
    ],
    "shop/files": [["Köln"], "beside"],
    "shop/sibling": ["beside", "Shop"],
    "2fa/3d-view": "api.2fa.3d-view",
    "über/größe": "api.über.größe",
    "with space": "api.with space",
    "dot.ted": "api.dot.ted",
    "crlf": "crlf",
    "counts": 1,
    "nothing": None,
    "values": {
        "enums": ["pdf", {"4": 4}],
        "text": ["real", "\ud83d", "\0 \u2028"],
        "keys": {"1": "a", "2.5": "b", "null": "d"},
        "kinds": [{"a": 1}, {"x": [[1, 2]]}, {"a": 2}, [1, 2]],
        "models": [{"isNew": True}, {"deep": [{"isNew": True}]}],
        "numbers": [10**30, 2.0, -0.0, 1e22],
    },
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    sources = {f"api/{name}.py": source for name, source in _APIS.items()}
    deployed = server.deploy("moved-functions", {**_FILES, **sources})
    assert deployed["status"] == "ready", deployed["error"]
    return "moved-functions"


@pytest.mark.parametrize("api", sorted(_APIS))
def test_what_a_function_returned_there_it_returns_here(
    server: RunwrightServer, project: str, api: str
) -> None:
    found = server.run(project, api, _PARAMETERS)

    assert found["status"] == "completed", found
    assert found["result"] == _RIGHT[api]


def test_what_a_module_holds_is_gone_after_the_run(server: RunwrightServer, project: str) -> None:
    counted = [server.run(project, "counts", _PARAMETERS)["result"] for _ in range(2)]

    assert counted == [1, 1]
