"""What a language model has used of tokens, as its provider tells, or as far as it can be told. Pure."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from runwright.domain.models.model_endpoints import Protocol, Provider

_MOST_TOKENS = 100_000_000
"""Of one request: a larger number is no count of tokens."""
_BYTES_A_TOKEN = 4
_TAIL_BYTES = 64 * 1024
_COUNTS = {
    # Each count, and where in the usage its parts stand.
    Protocol.MESSAGES: {
        "uncached": ("input_tokens",),
        "cached": ("cache_read_input_tokens",),
        "written": ("cache_creation_input_tokens",),
        "output": ("output_tokens",),
    },
    Protocol.CHAT: {
        "input": ("prompt_tokens",),
        "cached": ("prompt_tokens_details.cached_tokens",),
        "written": ("prompt_tokens_details.cache_write_tokens",),
        "output": ("completion_tokens",),
    },
    Protocol.RESPONSES: {
        "input": ("input_tokens",),
        "cached": ("input_tokens_details.cached_tokens",),
        "written": ("input_tokens_details.cache_write_tokens",),
        "output": ("output_tokens",),
    },
    Protocol.GENERATE: {
        "input": ("promptTokenCount", "toolUsePromptTokenCount"),
        "cached": ("cachedContentTokenCount",),
        "output": ("candidatesTokenCount", "thoughtsTokenCount"),
    },
}
_PLACES = ("", "message", "response")
"""Where in an answer or event the usage and the model may stand."""
_TEXTS = frozenset(
    ("text", "partial_json", "thinking", "content", "arguments", "reasoning_content", "delta", "args")
)  # fmt: skip
_USAGE = re.compile(rb'(?<!\\)"usage(?:Metadata)?"\s*:\s*')


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of one request or several."""

    input_tokens: int = 0
    """All that were read, those of the next two included."""
    cached_tokens: int = 0
    """Read from the provider's cache."""
    written_tokens: int = 0
    """Written to it."""
    output_tokens: int = 0
    """All that were made, thoughts included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUse:
    """What a Run has used of one model."""

    provider: Provider
    model: str
    calls: int
    failed_calls: int
    """Those that were answered with an error, which cost nothing."""
    estimated_calls: int
    """Those whose provider did not tell all that was used."""
    unpriced_calls: int
    """Those of a model without a price, which are not in the money."""
    usage: Usage
    usd: Decimal


class Heard:
    """What one answer tells of its usage, while it comes."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._counts: dict[str, int] = {}
        self._text_bytes = 0
        self._tail = b""
        self.model: str | None = None
        """What the answer says it is from."""

    def hear(self, value: Any) -> None:
        """Take an answer, or an event of one."""
        if not isinstance(value, dict):
            return
        known = cast("dict[str, Any]", value)
        for place in _PLACES:
            part: Any = known.get(place) if place else known
            if isinstance(part, dict):
                self._hear_part(cast("dict[str, Any]", part))
        kind = str(known.get("type", ""))
        if not kind.startswith("response.") or kind.endswith(".delta"):
            # The other events of that protocol say again what the deltas have said.
            with contextlib.suppress(RecursionError):
                self._text_bytes += sum(_lengths(known))

    def hear_bytes(self, piece: bytes) -> None:
        """Take a part of an answer that is not read as JSON: only its end is looked at."""
        self._text_bytes += len(piece)
        self._tail = (self._tail + piece)[-_TAIL_BYTES:]

    def usage(self, input_tokens: int, most_output_tokens: int, *, is_whole: bool) -> tuple[Usage, bool]:  # fmt: skip
        """Return what was used, and whether any of it is an estimate.

        `input_tokens` is what was sent where that is not told; more than `most_output_tokens` is not estimated.
        """
        self._hear_tail()
        counts = self._counts
        cached, written = counts.get("cached", 0), counts.get("written", 0)
        told = counts.get("input")
        if told is None and "uncached" in counts:
            told = counts["uncached"] + cached + written
        read = input_tokens if told is None else told
        made = counts.get("output")
        is_estimated = told is None or made is None or not is_whole
        if made is None or not is_whole:
            seen = math.ceil(self._text_bytes / _BYTES_A_TOKEN)
            made = max(made or 0, min(seen, most_output_tokens))
        cached = min(cached, read)
        usage = Usage(
            input_tokens=read,
            cached_tokens=cached,
            written_tokens=min(written, read - cached),
            output_tokens=made,
        )
        return usage, is_estimated

    def _hear_part(self, part: dict[str, Any]) -> None:
        model = part.get("model") or part.get("modelVersion")
        if isinstance(model, str) and model:
            self.model = model
        usage = part.get("usage") or part.get("usageMetadata")
        if isinstance(usage, dict):
            self._take(cast("dict[str, Any]", usage))

    def _take(self, usage: dict[str, Any]) -> None:
        for name, places in _COUNTS[self._protocol].items():
            parts = [count for place in places if (count := _count(usage, place)) is not None]
            if parts:
                # What a stream tells again has grown, or was left out.
                self._counts[name] = max(self._counts.get(name, 0), sum(parts))

    def _hear_tail(self) -> None:
        """Look for the last usage in what came last of an answer."""
        for found in reversed(list(_USAGE.finditer(self._tail))):
            text = self._tail[found.end() :].decode("utf-8", "replace")
            try:
                usage = json.JSONDecoder().raw_decode(text)[0]
            except (ValueError, RecursionError):
                continue
            if isinstance(usage, dict):
                self._take(cast("dict[str, Any]", usage))
                return


def is_only_usage(value: Any) -> bool:
    """Return whether an event of a chat is the one that tells the usage and nothing else."""
    if not isinstance(value, dict):
        return False
    known = cast("dict[str, Any]", value)
    return known.get("choices") == [] and isinstance(known.get("usage"), dict)


def _count(usage: dict[str, Any], place: str) -> int | None:
    """Return a count of tokens; None where it is missing or invalid."""
    value: Any = usage
    for name in place.split("."):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _MOST_TOKENS:
        return None
    return int(value)


def _lengths(value: Any, name: str = "") -> Iterator[int]:
    """Yield how many bytes each text has that the model has written."""
    if isinstance(value, str):
        if name in _TEXTS:
            yield len(value.encode("utf-8", "replace"))
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            # The arguments of a tool are texts, whatever their names.
            yield from _lengths(item, name if name in ("args", "input") else key)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _lengths(item, name)
