"""Requests to language models as authors send them: what is forwarded, and what it may use. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from runwright.domain.models.model_endpoints import Endpoint, Protocol
from runwright.errors import Problem, ValidationError

MAX_MODEL_LENGTH = 200
_CLASSES = (None, "auto", "default", "flex", "standard", "standard_only")
"""Service tiers that cost no more than the price table says."""
_SPEEDS = (None, "standard")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_ASSUMED_OUTPUT_TOKENS = 16_384
_MOST_OUTPUT_TOKENS = 1_000_000
_BYTES_A_TOKEN = 3
_FILES = ("data", "file_data", "b64_json", "url", "image_url")
"""Keys that hold base64-encoded files."""
_LINKS = ("url", "image_url", "file_url", "file_uri", "fileUri")
"""Keys that hold the URL of a file, which the provider fetches."""
_SHORT_BYTES = 1024
_FILE_TOKENS = 1600
"""Roughly the tokens of an image, whatever its size."""
_FILE_BYTES_A_TOKEN = 100
"""For base64: longer documents have more tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRequest:
    """A request as forwarded to the provider."""

    endpoint: Endpoint
    model: str
    is_stream: bool
    body: bytes
    """JSON, reserialized: duplicate keys are removed."""
    is_usage_hidden: bool
    """The author did not ask for the usage event, so it is requested but not passed to the author."""
    input_tokens: int
    """An estimate, more likely too high than too low."""
    most_output_tokens: int
    """The request's limit, or an assumption if it sets none."""


def parse(endpoint: Endpoint, raw: bytes, secret: str) -> ModelRequest:
    """Parse a request; `secret`, the caller's token, is removed wherever it appears.

    Raises:
        ValidationError: it is not a JSON object, names no model, or asks for something that cannot be metered.
    """
    value = _object(raw)
    _check(endpoint, value)
    model = endpoint.model or _model(value)
    is_stream = value.get("stream") is True if endpoint.is_stream is None else endpoint.is_stream
    input_tokens = math.ceil(sum(_weights(value)))
    is_usage_hidden = is_stream and endpoint.protocol is Protocol.CHAT and _ask_usage(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace(secret, "***")
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise _problem("", "holds half of a surrogate pair, which is no text") from error
    return ModelRequest(
        endpoint=endpoint,
        model=model,
        is_stream=is_stream,
        body=body,
        is_usage_hidden=is_usage_hidden,
        input_tokens=input_tokens,
        most_output_tokens=_most_output(value),
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (UnicodeError, ValueError, RecursionError) as error:
        raise _problem("", f"is not JSON that can be read: {error}"[:300]) from error
    if not isinstance(value, dict):
        raise _problem("", "must be a JSON object")
    return cast("dict[str, Any]", value)


def _model(value: dict[str, Any]) -> str:
    model = value.get("model")
    if not isinstance(model, str) or not 1 <= len(model) <= MAX_MODEL_LENGTH:
        raise _problem("model", f"must be a string of 1 to {MAX_MODEL_LENGTH} characters")
    if not model.isprintable():
        raise _problem("model", "must have printable characters alone")
    return model


def _check(endpoint: Endpoint, value: dict[str, Any]) -> None:
    """Reject what is priced differently from the price table, or used after the response."""
    if endpoint.protocol is Protocol.RESPONSES and value.get("background"):
        raise _problem("background", "must be false: what is used later could not be counted")
    if value.get("service_tier") not in _CLASSES:
        raise _problem("service_tier", "must be `auto`, `default`, `standard` or `flex`")
    if value.get("speed") not in _SPEEDS:
        raise _problem("speed", "must be `standard`")


def _ask_usage(value: dict[str, Any]) -> bool:
    """Make a stream report its usage; True when its author did not ask for that."""
    options = value.get("stream_options")
    known: dict[str, Any] = cast("dict[str, Any]", options) if isinstance(options, dict) else {}
    if known.get("include_usage") is True:
        return False
    value["stream_options"] = {**known, "include_usage": True}
    return True


def _most_output(value: dict[str, Any]) -> int:
    config: Any = value.get("generationConfig")
    known: dict[str, Any] = cast("dict[str, Any]", config) if isinstance(config, dict) else {}
    said = [value.get(name) for name in _LIMITS] + [known.get("maxOutputTokens")]
    limits = [each for each in said if isinstance(each, int) and each > 0]
    answers = [value.get("n"), known.get("candidateCount")]
    count = max(each if isinstance(each, int) else 1 for each in (*answers, 1))
    return min(min(limits, default=_ASSUMED_OUTPUT_TOKENS) * count, _MOST_OUTPUT_TOKENS)


def _weights(value: Any, name: str = "") -> Iterator[float]:
    """Yield an estimate of the tokens in each string and file of a request."""
    if isinstance(value, str):
        is_file = name in _FILES or value.startswith("data:")
        is_link = name in _LINKS and value.startswith("http")
        size = len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
        if is_link or (is_file and size > _SHORT_BYTES):
            yield max(_FILE_TOKENS, size / _FILE_BYTES_A_TOKEN)
        else:
            yield size / _BYTES_A_TOKEN
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield len(key) / _BYTES_A_TOKEN
            yield from _weights(item, key)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _weights(item, name)
    else:
        yield 1


def _problem(path: str, message: str) -> ValidationError:
    return ValidationError(
        [Problem(path=path, message=message)],
        f"The request to the language model is not valid: {f'`{path}` ' if path else 'it '}{message}",
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
