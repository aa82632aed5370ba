"""What to write instead of a value that JSON cannot represent. Looks only at types: objects may raise."""

from __future__ import annotations

import io
import types
from collections import abc
from typing import Any, cast

_BY_NAME = {
    "numpy.ndarray": "value.tolist()",
    "numpy.generic": "value.item()",
    "pandas.DataFrame": "value.to_dict('records')",
    "pandas.Series": "value.to_list()",
    "pandas.Index": "value.to_list()",
    "pandas.NAType": "None",
    "pandas.NaTType": "None",
    "polars.DataFrame": "value.to_dicts()",
    "polars.Series": "value.to_list()",
    "bs4.PageElement": "value.get_text()` or `str(value)",
    "bs4.BeautifulSoup": "value.get_text()` or `str(value)",
    "lxml._Element": "value.text` or `lxml.etree.tostring(value, encoding='unicode')",
    "playwright.Locator": "await value.inner_text()",
    "playwright.ElementHandle": "await value.inner_text()",
    "playwright.JSHandle": "await value.json_value()",
    "playwright.Page": "await value.content()",
    "playwright.Frame": "await value.content()",
    "playwright.Response": "await value.json()` or `await value.text()",
    "playwright.APIResponse": "await value.json()` or `await value.text()",
    "playwright.Download": "await save_file(value)",
    "httpx.Response": "value.json()` or `value.text",
    "requests.Response": "value.json()` or `value.text",
    "aiohttp.ClientResponse": "await value.json()` or `await value.text()",
    "sqlalchemy.Row": "dict(value._mapping)",
    "sqlite3.Row": "dict(value)",
    "openpyxl.Cell": "value.value",
    "datetime.timedelta": "value.total_seconds()",
    "builtins.complex": "[value.real, value.imag]",
    "fractions.Fraction": "float(value)",
    "re.Match": "value.group()",
    "re.Pattern": "value.pattern",
    "ipaddress._IPAddressBase": "str(value)",
    "bson.ObjectId": "str(value)",
    "pydantic.SecretStr": "value.get_secret_value()",
    "pydantic._UrlBase": "str(value)",
    "pydantic_core.Url": "str(value)",
    "zoneinfo.ZoneInfo": "str(value)",
    "msgspec.Struct": "msgspec.to_builtins(value)",
}
"""By the package and name of a class or of one of its bases."""
_BY_ATTRIBUTE = {
    "__attrs_attrs__": "attrs.asdict(value)",
    "tolist": "value.tolist()",
    "to_dict": "value.to_dict()",
    "_asdict": "value._asdict()",
    "isoformat": "value.isoformat()",
}
_BY_KIND: tuple[tuple[type[Any] | tuple[type[Any], ...], str], ...] = (
    ((abc.Coroutine, abc.Awaitable), "did you forget `await`?"),
    (abc.AsyncIterable, "write `[each async for each in value]` instead"),
    (
        (bytes, bytearray, memoryview),
        "write `value.decode()` or `base64.b64encode(value).decode()`",
    ),
    (abc.ItemsView, "write `dict(value)` instead"),
    ((set, frozenset), "write `sorted(value)` or `list(value)` instead"),
    (abc.Mapping, "write `dict(value)` instead"),
    (BaseException, "write `str(value)` instead"),
    (type, "did you forget to instantiate it?"),
    (
        (types.FunctionType, types.BuiltinFunctionType, types.MethodType),
        "did you forget to call it?",
    ),
    (io.IOBase, "write `value.read()` instead, or keep the file with `save_file`"),
    (abc.Iterable, "write `list(value)` instead"),
)


def instead(value: Any) -> str:
    """What is wrong with a value, and what to write instead."""
    kind = cast("type[Any]", type(value))
    wrong = f"is {_article(kind.__name__)}, which JSON cannot represent"
    if isinstance(value, type):
        wrong = f"is the class `{value.__name__}`, which JSON cannot represent"
    return f"{wrong}: {_advice(kind)}"


def no_number(value: Any) -> str:
    """What is wrong with NaN, an infinity or an invalid date."""
    return f"is {value}, which JSON cannot represent: write `None` instead"


def key_instead(key: Any) -> str:
    """What is wrong with a dict's key, and what to write instead."""
    kind = cast("type[Any]", type(key))
    return (
        f"has a key that is {_article(kind.__name__)}, but JSON keys are strings: "
        f"write {'`key.value`' if hasattr(kind, '__members__') else '`str(key)`'} instead"
    )


def _advice(kind: type[Any]) -> str:
    for each in kind.__mro__:
        package = each.__module__.partition(".")[0]
        if (found := _BY_NAME.get(f"{package}.{each.__name__}")) is not None:
            return f"write `{found}` instead"
    for name, found in _BY_ATTRIBUTE.items():
        if callable(getattr(kind, name, None)) or name in kind.__dict__:
            return f"write `{found}` instead"
    for kinds, found in _BY_KIND:
        if issubclass(kind, kinds):
            return found
    return "write a dict of the parts you need instead"


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"
