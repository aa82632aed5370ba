"""Imports the author's project, finds its entry functions, and drops its modules again."""

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
    """A file has no usable entry function, or the parameters do not fit the function."""


class Project:
    """The project's folder: first on `sys.path`, its modules imported and dropped at will."""

    def __init__(self, root: Path, *, is_native: bool = True) -> None:
        self.root = root
        self._is_native = is_native
        self._prefix = f"{root}/"
        self._foreign: set[str] = set()
        """Names of modules known to live outside the project."""
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        imports.use_for(str(root))

    def api_names(self) -> list[str]:
        """The names of all Apis in the folder, sorted."""
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
            # `api/x.py` hides the folder `api/x` from the import system, as does a dot in a name; load the file directly.
            return _load_file(module_name, file)

    def entry(self, name: str, kind: str = "api") -> Callable[..., Any]:
        """The entry function of an Api, or of `auth-sessions/check` and `auth-sessions/create`.

        Raises:
            EntryError: its file is missing, has no such function, or has one that is not an `async def`.
        """
        folder, file = ("api", name) if kind == "api" else ("auth-sessions", kind)
        if not (self.root / folder / f"{file}.py").is_file():
            raise EntryError(f"There is no file `{folder}/{file}.py` in the project.")
        return entry_of(self.load(folder, file), f"{folder}/{file}.py")

    def preload(self, apis: tuple[str, ...]) -> None:
        """Import ahead of need the outside modules that Apis, the AuthSession functions and the hook import."""
        files = [f"api/{name}.py" for name in apis]
        preloading.preload(self.root, [*files, *_OTHER_FILES], is_native=self._is_native)

    def forget(self) -> None:
        """Drop every module that lives in the project, so that the next import is fresh."""
        for name, module in list(sys.modules.items()):
            if name in self._foreign:
                continue
            if self._is_own(module):
                del sys.modules[name]
            else:
                self._foreign.add(name)

    def given(self, function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
        """The argument for a Run's parameters: the dict itself, or an instance of the declared type.

        Raises:
            EntryError: the parameters do not fit that type.
        """
        if not self._is_native:
            return parameters
        try:
            return schema.convert(function, parameters)
        except Misfit as error:
            raise EntryError(f"The parameters do not fit the function: {error}.") from error

    def inspect(self, apis: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], str | None]:
        """Import everything, or only some Apis; return a description of each, or the first error."""
        found: list[dict[str, Any]] = []
        for name in apis or self.api_names():
            file = f"api/{name}.py"
            try:
                function = entry_of(self.load("api", name), file)
                described = schema.describe(function, is_courtesy=not self._is_native)
                found.append({"name": name, **described})
            except EntryError as error:
                return [], str(error)
            except BaseException as error:  # noqa: BLE001 - even a module's SystemExit is its author's error
                return [], f"Importing `{file}` failed:\n{author_traceback(error, self.root)}"
        for file in () if apis else _OTHER_FILES:
            if (self.root / file).is_file() and (error := self._inspect_other(file)) is not None:
                return [], error
        return found, None

    def _inspect_other(self, file: str) -> str | None:
        """Import a file that is not an Api; return what is wrong with it."""
        folder, name = file.removesuffix(".py").split("/")
        try:
            module = self.load(folder, name)
            if folder == "auth-sessions":
                entry_of(module, file)
        except EntryError as error:
            return str(error)
        except BaseException as error:  # noqa: BLE001 - even a module's SystemExit is its author's error
            return f"Importing `{file}` failed:\n{author_traceback(error, self.root)}"
        return None

    def _is_own(self, module: Any) -> bool:
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            return file.startswith(self._prefix)
        paths = getattr(module, "__path__", None)
        try:
            return any(str(path).startswith(self._prefix) for path in paths or ())
        except Exception:  # noqa: BLE001 - a namespace path whose parent is already gone
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
    """The entry function of a module.

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
    """What stands in place of an `async def`, where the two are easily confused."""
    plain = inspect.unwrap(function)
    if inspect.isasyncgenfunction(plain):
        return " that returns: `yield` makes it a generator, so collect what it yields in a list"
    if isinstance(function, type):
        return ", but it is a class"
    if inspect.iscoroutinefunction(getattr(cast("Any", type(function)), _CALL, None)):
        return ", but it is an object: wrap it in an `async def`"
    return ", but it is a plain function" if inspect.isfunction(plain) else ""


def takes_parameters(function: Callable[..., Any]) -> bool:
    """False when a function accepts only the page."""
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
    """Format an exception without the frames of the Runner and the import system."""
    try:
        formatted = traceback.TracebackException.from_exception(error)
    except Exception:  # noqa: BLE001 - its class may override attribute access in any way
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
