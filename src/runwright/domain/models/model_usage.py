"""Token usage of language models, as reported by the provider or estimated. Pure."""

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
"""Per request: a larger number cannot be a token count."""
_BYTES_A_TOKEN = 4
_TAIL_BYTES = 64 * 1024
_COUNTS = {
    # Each count, and the paths of its parts in the usage.
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
"""Where a response or event may hold the usage and the model."""
_TEXTS = frozenset(
    ("text", "partial_json", "thinking", "content", "arguments", "reasoning_content", "delta", "args")
)  # fmt: skip
_USAGE = re.compile(rb'(?<!\\)"usage(?:Metadata)?"\s*:\s*')


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of one or more requests."""

    input_tokens: int = 0
    """All tokens read, including the next two counts."""
    cached_tokens: int = 0
    """Read from the provider's cache."""
    written_tokens: int = 0
    """Written to the provider's cache."""
    output_tokens: int = 0
    """All tokens generated, including thoughts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUse:
    """A Run's use of one model."""

    provider: Provider
    model: str
    calls: int
    failed_calls: int
    """Calls that failed, which cost nothing."""
    estimated_calls: int
    """Calls whose provider did not report all usage."""
    unpriced_calls: int
    """Calls to a model without a price, which `usd` does not include."""
    usage: Usage
    usd: Decimal


class Heard:
    """Collects the usage that a response reports, as it arrives."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._counts: dict[str, int] = {}
        self._text_bytes = 0
        self._tail = b""
        self.model: str | None = None
        """The model that the response names."""

    def hear(self, value: Any) -> None:
        """Process a response, or one event of it."""
        if not isinstance(value, dict):
            return
        known = cast("dict[str, Any]", value)
        for place in _PLACES:
            part: Any = known.get(place) if place else known
            if isinstance(part, dict):
                self._hear_part(cast("dict[str, Any]", part))
        kind = str(known.get("type", ""))
        if not kind.startswith("response.") or kind.endswith(".delta"):
            # The other events of this protocol repeat what the deltas contained.
            with contextlib.suppress(RecursionError):
                self._text_bytes += sum(_lengths(known))

    def hear_bytes(self, piece: bytes) -> None:
        """Process a chunk of a response that is not parsed as JSON: only its end is searched for usage."""
        self._text_bytes += len(piece)
        self._tail = (self._tail + piece)[-_TAIL_BYTES:]

    def usage(self, input_tokens: int, most_output_tokens: int, *, is_whole: bool) -> tuple[Usage, bool]:  # fmt: skip
        """The usage, and whether any of it is an estimate.

        `input_tokens` applies if the provider reports no input; an estimate of the output never exceeds
        `most_output_tokens`.
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
                # A count that a stream repeats has grown, unless parts of it are left out.
                self._counts[name] = max(self._counts.get(name, 0), sum(parts))

    def _hear_tail(self) -> None:
        """Search the end of a response for its last usage."""
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
    """True for the chat event that contains the usage and nothing else."""
    if not isinstance(value, dict):
        return False
    known = cast("dict[str, Any]", value)
    return known.get("choices") == [] and isinstance(known.get("usage"), dict)


def _count(usage: dict[str, Any], place: str) -> int | None:
    """A token count; None if it is missing or invalid."""
    value: Any = usage
    for name in place.split("."):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _MOST_TOKENS:
        return None
    return int(value)


def _lengths(value: Any, name: str = "") -> Iterator[int]:
    """Yield the size in bytes of each string that the model generated."""
    if isinstance(value, str):
        if name in _TEXTS:
            yield len(value.encode("utf-8", "replace"))
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            # All strings in a tool's arguments count, whatever their keys.
            yield from _lengths(item, name if name in ("args", "input") else key)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _lengths(item, name)
