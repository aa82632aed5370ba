"""Imports the author's project, finds entry functions, and forgets the project again."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from runwright.runner.project import imports, preloading
from runwright.runner.types import hints, schema
from runwright.runner.types.shapes import Misfit

_CALL = "__call__"
_ENTRIES = ("automation", "create", "check")
_OTHER_FILES = ("hooks/setup_context.py", "auth-sessions/create.py", "auth-sessions/check.py")


class EntryError(Exception):
    """A file has no function that can be an Api, or parameters are not what the function takes."""


class Project:
    """The project's folder: first on `sys.path`, its modules imported and dropped at will."""

    def __init__(self, root: Path, *, is_native: bool = True) -> None:
        self.root = root
        self._is_native = is_native
        self._prefix = f"{root}/"
        self._foreign: set[str] = set()
        """Names of modules that were seen to live elsewhere."""
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        imports.use_for(str(root))

    def api_names(self) -> list[str]:
        """Return the names of all Apis in the folder, sorted."""
        folder = self.root / "api"
        files = (file for file in folder.rglob("*.py") if file.name != "__init__.py")
        return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in files)

    def load(self, folder: str, name: str) -> ModuleType:
        """Import the module of a file, such as `api.foo.bar-baz` for `api/foo/bar-baz.py`."""
        module_name = f"{folder}.{name.replace('/', '.')}"
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            file = self.root / folder / f"{name}.py"
            is_hidden = f"{module_name}.".startswith(f"{error.name}.")
            if not is_hidden or not file.is_file():
                raise
            # `api/x.py` hides the folder `api/x` from the import system, and so does a dot in a name; not from us.
            return _load_file(module_name, file)

    def entry(self, name: str, kind: str = "api") -> Callable[..., Any]:
        """Return the entry function of an Api, or of `auth-sessions/check` and `auth-sessions/create`.

        Raises:
            EntryError: its file has none, or one that is not an `async def`.
        """
        folder, file = ("api", name) if kind == "api" else ("auth-sessions", kind)
        if not (self.root / folder / f"{file}.py").is_file():
            raise EntryError(f"There is no file `{folder}/{file}.py` in the project.")
        return entry_of(self.load(folder, file), f"{folder}/{file}.py")

    def preload(self, apis: tuple[str, ...]) -> None:
        """Import ahead of need what Apis, the session's functions and the hook import from elsewhere."""
        files = [f"api/{name}.py" for name in apis]
        preloading.preload(self.root, [*files, *_OTHER_FILES], is_native=self._is_native)

    def forget(self) -> None:
        """Drop every module that lives under the project, so that the next import is fresh."""
        for name, module in list(sys.modules.items()):
            if name in self._foreign:
                continue
            if self._is_own(module):
                del sys.modules[name]
            else:
                self._foreign.add(name)

    def given(self, function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
        """Return what a function gets for a Run's parameters: the dict itself, or an instance of what it asks for.

        Raises:
            EntryError: it asks for something else.
        """
        if not self._is_native:
            return parameters
        try:
            return schema.convert(function, parameters)
        except Misfit as error:
            raise EntryError(f"The parameters are not what the function takes: {error}.") from error

    def inspect(self, apis: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], str | None]:
        """Import everything, or some Apis alone; return what each is, or the first traceback."""
        found: list[dict[str, Any]] = []
        for name in apis or self.api_names():
            file = f"api/{name}.py"
            try:
                function = entry_of(self.load("api", name), file)
                described = schema.describe(function, is_courtesy=not self._is_native)
                found.append({"name": name, **described})
            except EntryError as error:
                return [], str(error)
            except BaseException as error:  # noqa: BLE001 - SystemExit of a module too is its author's
                return [], f"Importing `{file}` failed:\n{author_traceback(error, self.root)}"
        for file in () if apis else _OTHER_FILES:
            if (self.root / file).is_file() and (error := self._inspect_other(file)) is not None:
                return [], error
        return found, None

    def _inspect_other(self, file: str) -> str | None:
        """Import a file that is no Api; return what is wrong with it."""
        folder, name = file.removesuffix(".py").split("/")
        try:
            module = self.load(folder, name)
            if folder == "auth-sessions":
                entry_of(module, file)
        except EntryError as error:
            return str(error)
        except BaseException as error:  # noqa: BLE001 - SystemExit of a module too is its author's
            return f"Importing `{file}` failed:\n{author_traceback(error, self.root)}"
        return None

    def _is_own(self, module: Any) -> bool:
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            return file.startswith(self._prefix)
        paths = getattr(module, "__path__", None)
        try:
            return any(str(path).startswith(self._prefix) for path in paths or ())
        except Exception:  # noqa: BLE001 - a namespace path whose parent is gone already
            return True


def _load_file(module_name: str, file: Path) -> ModuleType:
    loader = imports.Loader(module_name, str(file))
    spec = importlib.util.spec_from_file_location(module_name, file, loader=loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def entry_of(module: ModuleType, file: str) -> Callable[..., Any]:
    """Return the entry function of a module.

    Raises:
        EntryError: it has none, or one that is not an `async def`.
    """
    for name in _ENTRIES:
        function = getattr(module, name, None)
        if function is None:
            continue
        if not inspect.iscoroutinefunction(inspect.unwrap(function)):
            raise EntryError(f"`{name}` in `{file}` must be an `async def`{_but_is(function)}.")
        return function
    expected = {
        "auth-sessions/create.py": "create(page, params)",
        "auth-sessions/check.py": "check(page)",
    }
    raise EntryError(
        f"`{file}` has no `async def {expected.get(file, 'automation(page, params)')}`."
    )


def _but_is(function: Any) -> str:
    """Return what stands in the place of an `async def`, where it is easily taken for one."""
    plain = inspect.unwrap(function)
    if inspect.isasyncgenfunction(plain):
        return " that returns: with `yield` it is a generator, so collect what it yields in a list"
    if isinstance(function, type):
        return ", and it is a class"
    if inspect.iscoroutinefunction(getattr(cast("Any", type(function)), _CALL, None)):
        return ", and it is an object: write `async def` around it"
    return ", and it is a plain function" if inspect.isfunction(plain) else ""


def takes_parameters(function: Callable[..., Any]) -> bool:
    """Return False if a function takes the page alone."""
    try:
        signature = hints.signature(function)
        signature.bind(None)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def author_traceback(error: BaseException, root: Path) -> str:
    """Format an exception with the frames of the Runner and the import system left out."""
    try:
        formatted = traceback.TracebackException.from_exception(error)
    except Exception:  # noqa: BLE001 - a class that answers for its attributes may do so in any way
        formatted = traceback.TracebackException(Exception, Exception(), error.__traceback__)
    for part in _chain(formatted):
        own = [frame for frame in part.stack if not _is_ours(frame.filename)]
        part.stack = traceback.StackSummary.from_list(own)
    text = "".join(formatted.format())
    return text.replace(f"{root}/", "").rstrip()


def _chain(error: traceback.TracebackException | None) -> list[traceback.TracebackException]:
    found: list[traceback.TracebackException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _is_ours(file: str) -> bool:
    return "/runwright/runner/" in file or file.startswith("<frozen importlib")
