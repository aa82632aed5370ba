"""Resolves the author's annotations one at a time, so that an unresolvable one does not affect the rest."""

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
    """An annotation names something that does not exist, such as an import for type checkers only."""


def of_parameters(function: Callable[..., Any]) -> Any:
    """The declared type of an entry function's parameters; None without an annotation.

    Raises:
        Unreadable: the annotation cannot be resolved.
    """
    named = [each for each in signature(function).parameters.values() if each.kind in _POSITIONAL]
    # A deferred automation is called without a page.
    position = 0 if is_deferred(function) else 1
    if len(named) <= position or named[position].annotation is inspect.Parameter.empty:
        return None
    return _read(named[position].annotation, _namespace(function))


def of_result(function: Callable[..., Any]) -> Any:
    """The declared result type of an entry function; None without an annotation.

    Raises:
        Unreadable: the annotation cannot be resolved.
    """
    said = signature(function).return_annotation
    return None if said is inspect.Signature.empty else _read(said, _namespace(function))


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function; names in its annotations need not exist."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format  # noqa: PLC0415 - newer than the oldest Python here

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def of_class(kind: Any, arguments: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The annotations of a class and its bases, by name; an unresolvable one maps to its `Unreadable`.

    `arguments` replace the type variables of a generic class.
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
    """A type with its type variables replaced; an unbound one becomes its upper bound, or Any."""
    if isinstance(kind, typing.TypeVar):
        return bindings.get(kind, kind.__bound__ or Any)
    if isinstance(kind, InitVar):
        return bound(cast("Any", kind).type, bindings)
    parameters = cast("tuple[Any, ...]", getattr(kind, "__parameters__", ()))
    if not parameters or get_origin(kind) is None:
        return kind
    return kind[tuple(bound(each, bindings) for each in parameters)]


def _bindings(kind: Any, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """The types bound to the type variables of a generic class and its bases."""
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
    """The globals of a function, whatever wraps it."""
    while True:
        if isinstance(function, functools.partial):
            function = cast("Any", function).func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif isinstance(function, types.MethodType):
            function = function.__func__
        else:
            return getattr(function, "__globals__", {})
