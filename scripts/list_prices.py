"""Writes `domain/models/list_prices.py` anew, from the prices that the package `genai-prices` (MIT) knows.

uv run --no-project --with genai-prices scripts/list_prices.py
"""

from __future__ import annotations

import importlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

FILE = Path(__file__).resolve().parents[1] / "src/runwright/domain/models/list_prices.py"
OWN = {"anthropic": r"claude-.*", "openai": r"(gpt-|chatgpt-|o\d).*", "google": r"gemini-.*"}
OTHER = re.compile(
    r".*(audio|image|realtime|transcribe|tts|live|oss|cyber|rosalind|banana|omni|robotics|vision|search|:|-$).*"
)
"""What is paid for by more than its tokens, or is not their providers' alone."""
HEAD = '''"""Prices of models from their providers' price lists of {date}; written by `scripts/list_prices.py`."""

from __future__ import annotations

LIST_PRICES: dict[str, tuple[str, str, str | None, str | None]] = {{
'''


def main() -> None:
    """Write the file."""
    known: Any = importlib.import_module("genai_prices.data").providers
    found: dict[str, tuple[str, str, str | None, str | None]] = dict(
        line
        for provider in known
        if (own := OWN.get(provider.id))
        for model in provider.models
        if re.fullmatch(own, model.id) and not OTHER.fullmatch(model.id)
        if (line := _line(model)) is not None
    )
    # The first of a series has two names.
    found.update({name[:-2]: found[name] for name in list(found) if re.search(r"-\d-0$", name)})
    lines = "".join(
        f"    {name!r}: {prices!r},\n".replace("'", '"') for name, prices in sorted(found.items())
    )
    text = f'''{HEAD.format(date=f"{datetime.now(UTC):%Y-%m-%d}")}{lines}}}
"""USD per million tokens: input, output, cache read, cache write; None: the input price.

Of models that cost more from some length on it is the price below that length.
"""
'''
    FILE.write_text(text, encoding="utf-8")


def _line(model: Any) -> tuple[str, tuple[str, str, str | None, str | None]] | None:
    dated: Any = model.prices
    prices: Any = cast("list[Any]", dated)[-1].prices if isinstance(dated, list) else dated
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    read, made, cached, written = (_base(getattr(prices, name, None)) for name in names)
    if read is None or made is None:
        return None
    return model.id.removesuffix("-latest"), (read, made, cached, written)


def _base(price: Any) -> str | None:
    if price is None:
        return None
    return str(getattr(price, "base", price))


if __name__ == "__main__":
    main()
