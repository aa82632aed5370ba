"""Reads the author's annotations one at a time, so that one that cannot be read spoils no other."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import InitVar
from typing import Any, cast, get_args, get_origin

from runwright.sdk.deferred import is_deferred

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Unreadable(Exception):
    """An annotation names what is not there, such as what is imported for type checkers alone."""


def of_parameters(function: Callable[..., Any]) -> Any:
    """Return the type of the parameters that an entry function takes; None: it says none.

    Raises:
        Unreadable: it says one that is not there.
    """
    named = [each for each in signature(function).parameters.values() if each.kind in _POSITIONAL]
    # A deferred automation is called without a page.
    position = 0 if is_deferred(function) else 1
    if len(named) <= position or named[position].annotation is inspect.Parameter.empty:
        return None
    return _read(named[position].annotation, _namespace(function))


def of_result(function: Callable[..., Any]) -> Any:
    """Return the type of what an entry function returns; None: it says none.

    Raises:
        Unreadable: it says one that is not there.
    """
    said = signature(function).return_annotation
    return None if said is inspect.Signature.empty else _read(said, _namespace(function))


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature; names in it need not exist."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format  # noqa: PLC0415 - newer than the oldest Python here

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def of_class(kind: Any, arguments: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the annotations of a class and its bases by name; one that cannot be read is its `Unreadable`.

    `arguments` stand for the type variables of a generic class.
    """
    found: dict[str, Any] = {}
    bindings = _bindings(kind, arguments)
    for base in reversed(kind.__mro__):
        namespace = {**vars(sys.modules.get(base.__module__, types)), base.__name__: base}
        parameters = {each.__name__: each for each in getattr(base, "__type_params__", ())}
        for name, annotation in _raw(base).items():
            try:
                read = _read(annotation, {**namespace, **parameters})
                found[name] = bound(read, bindings)
            except Unreadable as error:
                found[name] = error
    return found


def bound(kind: Any, bindings: dict[Any, Any]) -> Any:
    """Return a type with its type variables replaced; one that stands for nothing becomes what it is bound by."""
    if isinstance(kind, typing.TypeVar):
        return bindings.get(kind, kind.__bound__ or Any)
    if isinstance(kind, InitVar):
        return bound(cast("Any", kind).type, bindings)
    parameters = cast("tuple[Any, ...]", getattr(kind, "__parameters__", ()))
    if not parameters or get_origin(kind) is None:
        return kind
    return kind[tuple(bound(each, bindings) for each in parameters)]


def _bindings(kind: Any, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Return what the type variables of a generic class, and of the bases it names, stand for."""
    found = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    for base in getattr(kind, "__orig_bases__", ()):
        origin = get_origin(base)
        if origin not in (None, typing.Generic, typing.Protocol):
            given = tuple(bound(each, found) for each in get_args(base))
            found = {**_bindings(origin, given), **found}
    return found


def _raw(kind: type[Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations  # noqa: PLC0415 - as above

        return get_annotations(kind, format=Format.FORWARDREF)
    return vars(kind).get("__annotations__", {})


def _read(annotation: Any, namespace: dict[str, Any]) -> Any:
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, namespace, include_extras=True)["it"]
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def _namespace(function: Any) -> dict[str, Any]:
    """Return the names that a function sees, whatever it is wrapped in."""
    while True:
        if isinstance(function, functools.partial):
            function = cast("Any", function).func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif isinstance(function, types.MethodType):
            function = function.__func__
        else:
            return getattr(function, "__globals__", {})
