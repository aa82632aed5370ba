"""A server on loopback that speaks the protocols of three language model providers, correctly or not, on command."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers.server import answering

KEYS = {
    "anthropic": "sk-ant-operators-key-of-anthropic",
    "openai": "sk-operators-key-of-openai",
    "google": "AIza-operators-key-of-google",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: Any


@dataclass(eq=False, kw_only=True)
class Provider:
    """What it was asked, and what it does about it."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    misdeeds: dict[str, Callable[[Handler], None]] = field(
        default_factory=dict[str, "Callable[[Handler], None]"]
    )
    """By the model's name: what is done instead of answering."""
    goes_on: threading.Event = field(default_factory=threading.Event)
    """Set: whatever waits goes on."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when whoever asked has gone away before the end."""

    def settings(self) -> dict[str, str]:
        """Return the settings of an operator who uses it."""
        found = {f"RUNWRIGHT_{name.upper()}_API_KEY": key for name, key in KEYS.items()}
        return {**found, **{f"RUNWRIGHT_{name.upper()}_URL": self.url for name in KEYS}}

    def of_model(self, model: str) -> list[Asked]:
        """Return the requests that named a model."""
        return [each for each in self.asked if model_of(each) == model]


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; `provider` is set in a class made of this one."""

    protocol_version = "HTTP/1.1"
    provider: Provider
    asked: Asked

    def do_POST(self) -> None:
        """Answer, or do what is said to be done."""
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked = Asked(path=self.path, headers=headers, body=json.loads(body))
        self.provider.asked.append(self.asked)
        try:
            self.provider.misdeeds.get(model_of(self.asked), _answer)(self)
        except OSError:
            self.provider.left.set()
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""

    def say(self, status: int, body: Any, **headers: str) -> None:
        """Send an answer: JSON, or bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def begin(self, kind: str = "text/event-stream") -> None:
        """Send the head of an answer that ends with its connection."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def tell(self, *events: Any) -> None:
        """Send events of a stream."""
        for each in events:
            name = f"event: {each['type']}\n" if isinstance(each, dict) and "type" in each else ""
            data = each if isinstance(each, str) else json.dumps(each)
            self.wfile.write(f"{name}data: {data}\n\n".encode())
            self.wfile.flush()


@contextmanager
def serving() -> Generator[Provider]:
    """Answer until the block ends."""
    provider = Provider()
    with answering(type("Bound", (Handler,), {"provider": provider})) as address:
        provider.url = address
        try:
            yield provider
        finally:
            provider.goes_on.set()


def model_of(asked: Asked) -> str:
    """Return the model that a request names."""
    return asked.body.get("model") or asked.path.rpartition("/")[2].partition(":")[0]


def events_of(asked: Asked) -> list[Any]:
    """Return the stream that answers a request: `one two`, 10 tokens in, 2 of them cached, 5 out."""
    if "messages" in asked.path:
        return _messages(asked)
    if "chat/completions" in asked.path:
        return _chat(asked)
    if "responses" in asked.path:
        return _responses(asked)
    first, second = (
        {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}]}
        for text in ("one ", "two")
    )
    usage: Any = _whole(asked)["usageMetadata"]
    return [
        {**first, "usageMetadata": {"promptTokenCount": 10}},
        {**second, "usageMetadata": usage, "modelVersion": model_of(asked)},
    ]


def _answer(handler: Handler) -> None:
    asked = handler.asked
    is_google_stream = "streamGenerateContent" in asked.path
    if not (asked.body.get("stream") or is_google_stream):
        handler.say(200, _whole(asked), request_id="req_1")
    elif is_google_stream and "alt=sse" not in asked.path:
        handler.begin("application/json")
        for number, each in enumerate(events_of(asked)):
            handler.wfile.write(f"{',' if number else '['}{json.dumps(each)}".encode())
        handler.wfile.write(b"]")
    else:
        handler.begin()
        handler.tell(*events_of(asked))
        if "chat/completions" in asked.path:
            handler.tell("[DONE]")


def _messages(asked: Asked) -> list[Any]:
    message: dict[str, Any] = {**_whole(asked), "content": [], "stop_reason": None}
    message["usage"] = {**message["usage"], "output_tokens": 1}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
            for text in ("one ", "two")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]  # fmt: skip


def _chat(asked: Asked) -> list[Any]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model_of(asked)}
    found: list[Any] = [
        {**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]}
        for text in ("one ", "two")
    ]  # fmt: skip
    found.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (asked.body.get("stream_options") or {}).get("include_usage"):
        found.append({**base, "choices": [], "usage": _whole(asked)["usage"]})
    return found


def _responses(asked: Asked) -> list[Any]:
    response = {**_whole(asked), "usage": None, "output": [], "status": "in_progress"}
    item = {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    part = {"item_id": "m", "output_index": 0, "content_index": 0}
    text = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **part, "part": text},
        *(
            {"type": "response.output_text.delta", **part, "delta": each, "logprobs": []}
            for each in ("one ", "two")
        ),
        {"type": "response.completed", "response": _whole(asked)},
    ]
    return [{**each, "sequence_number": number} for number, each in enumerate(events)]


def _whole(asked: Asked) -> dict[str, Any]:
    model = model_of(asked)
    if "messages" in asked.path:
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_sequence": None,
            "content": _content(asked), "stop_reason": "end_turn",
            "usage": {"input_tokens": 8, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0,
                      "output_tokens": 5},
        }  # fmt: skip
    if "chat/completions" in asked.path:
        message: dict[str, Any] = {"role": "assistant", "content": "one two"}
        if (name := _tool(asked)) is not None:
            call = {"name": name, "arguments": json.dumps(FOUND)}
            message["tool_calls"] = [{"id": "call", "type": "function", "function": call}]
        return {
            "id": "c", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                      "prompt_tokens_details": {"cached_tokens": 2}},
        }  # fmt: skip
    if "responses" in asked.path:
        return {
            "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": model, "tools": [],
            "parallel_tool_calls": True, "tool_choice": "auto", "output": _output(asked),
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
                      "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
                      "output_tokens_details": {"reasoning_tokens": 0}},
        }  # fmt: skip
    return {
        "candidates": [{"content": {"role": "model", "parts": _parts(asked)}, "finishReason": "STOP"}],
        "modelVersion": model,
        "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 2, "candidatesTokenCount": 3,
                          "thoughtsTokenCount": 2, "totalTokenCount": 15},
    }  # fmt: skip


FOUND = {"name": "Lamp"}
"""What a request with tools is answered with, in its first tool."""


def _tool(asked: Asked) -> str | None:
    """Return the name of the tool to use, where there is one."""
    tools = asked.body.get("tools") or []
    with contextlib.suppress(LookupError, TypeError):
        first = tools[0]
        first = first.get("function") or first
        return first.get("name") or first["functionDeclarations"][0]["name"]
    return None


def _content(asked: Asked) -> list[dict[str, Any]]:
    if (name := _tool(asked)) is not None:
        return [{"type": "tool_use", "id": "t", "name": name, "input": FOUND}]
    return [{"type": "text", "text": "True\none two"}]


def _output(asked: Asked) -> list[dict[str, Any]]:
    if (name := _tool(asked)) is not None:
        call = {"type": "function_call", "id": "f", "call_id": "f", "name": name}
        return [{**call, "arguments": json.dumps(FOUND), "status": "completed"}]
    text = {"type": "output_text", "text": "one two", "annotations": []}
    return [{"type": "message", "id": "m", "status": "completed", "role": "assistant", "content": [text]}]  # fmt: skip


def _parts(asked: Asked) -> list[dict[str, Any]]:
    if (name := _tool(asked)) is not None:
        return [{"functionCall": {"name": name, "args": FOUND}}]
    return [{"text": "one two"}]
