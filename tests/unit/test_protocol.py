"""The messages between Worker and Runner."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from runwright import protocol

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_OBJECT = st.dictionaries(st.text(), _JSON, max_size=3)
MESSAGES: list[st.SearchStrategy[Any]] = [
    st.builds(
        protocol.Start,
        run_id=st.text(),
        attempt=st.integers(1),
        api=st.text(),
        parameters=_OBJECT,
        proxy=st.none() | st.builds(protocol.Proxy, server=st.text(), password=st.text()),
    ),
    st.builds(
        protocol.Ended,
        result=st.text(),
        extended_payloads=st.lists(_OBJECT, max_size=2).map(tuple),
        failure=st.none()
        | st.builds(
            protocol.Failed, code=st.text(), category=st.text(), message=st.text(), details=_OBJECT
        ),
        attributes=_OBJECT,
    ),
    st.builds(
        protocol.Log, at=st.floats(0, 1e10), stream=st.text(), level=st.text(), text=st.text()
    ),
    st.builds(protocol.Retiring, reasons=st.lists(st.text()).map(tuple)),
    st.builds(
        protocol.Setup, mode=st.just("run"), project_root=st.text(), files_directory=st.text()
    ),
]


@given(st.one_of(MESSAGES))
def test_a_message_comes_back_as_it_was(message: Any) -> None:
    line = protocol.encode(message)

    assert line.count(b"\n") == 1
    assert protocol.decode(line) == message


@given(st.binary(max_size=200))
def test_what_is_no_message_is_an_error_of_the_protocol(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(line)


@pytest.mark.parametrize("line", [b"{}", b"[]", b"null", b'{"type":"none"}', b'{"type":"start"}'])
def test_json_that_is_no_message_is_an_error_too(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(line)


def test_unknown_fields_are_ignored_and_missing_ones_take_their_defaults() -> None:
    line = b'{"type":"start","run_id":"r","attempt":1,"api":"a","parameters":{},"later":1}'

    found = protocol.decode(line)

    assert dataclasses.asdict(found)["save_trace"] is True


@given(line=st.binary(max_size=300))
def test_bytes_that_are_no_message_are_a_protocol_error(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(line)


@given(
    kind=st.sampled_from(["ended", "log", "file", "started", "inspected", "ready", "frame", "ask"]),
    fields=st.dictionaries(
        st.sampled_from(
            ["result", "failure", "attributes", "extended_payloads", "at", "text", "stream", "level",
             "path", "name", "kind", "pid", "apis", "auth_state", "was_cancelled", "number"]
        ),
        _JSON,
    ),
)  # fmt: skip
def test_whatever_a_hostile_runner_says_is_a_message_of_right_types_or_refused(
    kind: str, fields: dict[str, Any]
) -> None:
    line = json.dumps({"type": kind, **fields}).encode()

    try:
        message: Any = protocol.decode(line)
    except protocol.ProtocolError:
        return

    for item in dataclasses.fields(message):
        value = getattr(message, item.name)
        if item.type == "str":
            assert isinstance(value, str)
        elif item.type in ("int", "float"):
            assert isinstance(value, int | float)
            assert not isinstance(value, bool)
