"""A project's sample parameters: from its files, and from the settings that pre-fill a playground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runwright.domain.projects import PLAYGROUND_SAMPLE
from runwright.domain.text import strict_json

_MAX_SAMPLES = 500
_MAX_SAMPLE_BYTES = 64 * 1024
_SETTINGS = (
    ("metadata", "default_run_playground_input", "api_name"),
    ("metadata", "defaultRunPlaygroundInput", "apiName"),
)


def read(root: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Sample parameters by Api and case; missing or invalid ones are skipped.

    `settings` is the parsed settings file, with its own spelling.
    """
    folder = root / ".parameters" / "api"
    found = _of_playground(settings)
    for file in sorted(folder.rglob("*.json"))[:_MAX_SAMPLES]:
        api = file.parent.relative_to(folder).as_posix()
        if file.stat().st_size > _MAX_SAMPLE_BYTES:
            continue
        try:
            found.setdefault(api, {})[file.stem] = strict_json.read(
                file.read_text(encoding="utf-8")
            )
        except ValueError:
            continue
    return found


def _of_playground(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for outer, inner, name in _SETTINGS:
        given: Any = settings.get(outer, {})
        given = given.get(inner) if isinstance(given, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(given, dict) and isinstance(given.get(name), str):  # pyright: ignore[reportUnknownMemberType]
            return {given[name]: {PLAYGROUND_SAMPLE: given.get("parameters") or {}}}  # pyright: ignore[reportUnknownMemberType]
    return {}
