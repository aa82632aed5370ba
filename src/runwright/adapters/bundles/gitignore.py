"""The rules of `.gitignore` files, as git applies them to untracked files.

Git compares bytes, so patterns and paths are bytes here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_GLOB = re.compile(rb"[*?\[\\]")
_CLASS = re.compile(rb"\[:([^\]]*):\]")
_NOTHING = "(?!)"
"""Matches nothing: the translation of a pattern that git cannot read."""
_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[\x21-\x7e]",
    b"lower": rb"[a-z]",
    b"print": rb"[\x20-\x7e]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[ \t\n\v\f\r]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}
_SLASH = ord("/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One line of a `.gitignore`."""

    pattern: re.Pattern[bytes]
    is_for_names: bool
    """The pattern has no slash, so it matches a name at any depth."""
    is_for_folders: bool
    is_ignoring: bool
    """False: it re-includes what an earlier rule ignored."""

    def matches(self, path: bytes, *, is_folder: bool) -> bool:
        """True when the rule applies to a path, relative to the folder of its file."""
        if self.is_for_folders and not is_folder:
            return False
        subject = path.rpartition(b"/")[2] if self.is_for_names else path
        return self.pattern.fullmatch(subject) is not None


def rules(content: bytes) -> tuple[Rule, ...]:
    """The rules of a file; the last one that matches decides."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = (_rule(line.removesuffix(b"\r")) for line in lines)
    return tuple(rule for rule in found if rule is not None)


def says(rules: Iterable[Rule], path: bytes, *, is_folder: bool) -> bool | None:
    """Whether the rules of one file ignore a path relative to its folder; None when no rule matches.

    The caller must already have checked the folders above the path.
    """
    said = None
    for rule in rules:
        if rule.matches(path, is_folder=is_folder):
            said = rule.is_ignoring
    return said


def _rule(line: bytes) -> Rule | None:
    line = _without_trailing_spaces(line)
    if not line or line.startswith(b"#"):
        return None
    is_ignoring = not line.startswith(b"!")
    pattern = line.removeprefix(b"!")
    is_for_folders = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    is_for_names = b"/" not in pattern
    if not is_for_names:
        pattern = pattern.removeprefix(b"/")
    # Text before the first special character is compared literally; only the rest is a pattern.
    special = _GLOB.search(pattern)
    start = len(pattern) if special is None else special.start()
    text = re.escape(pattern[:start].decode("latin-1")) + _Translation(pattern[start:]).text
    return Rule(
        pattern=re.compile(text.encode("latin-1"), re.DOTALL),
        is_for_names=is_for_names,
        is_for_folders=is_for_folders,
        is_ignoring=is_ignoring,
    )


def _without_trailing_spaces(line: bytes) -> bytes:
    end = place = 0
    while place < len(line):
        place += 2 if line[place : place + 1] == b"\\" else 1
        if line[place - 1 : place] != b" " or line[place - 2 : place - 1] == b"\\":
            end = place
    return line[:end]


class _Translation:
    """A git pattern as a regular expression, translated from left to right."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self._at = 0
        parts: list[str] = []
        while self._at < len(pattern):
            parts.append(self._next())
        self.text = "".join(parts)

    def _next(self) -> str:
        character = self._pattern[self._at : self._at + 1]
        if character == b"*":
            return self._stars()
        if character == b"[":
            return self._set()
        self._at += 1
        if character == b"?":
            return "[^/]"
        if character == b"\\":
            character = self._pattern[self._at : self._at + 1]
            self._at += 1
        return re.escape(character.decode("latin-1")) if character else _NOTHING

    def _stars(self) -> str:
        start = self._at
        while self._pattern[self._at : self._at + 1] == b"*":
            self._at += 1
        before, after = self._pattern[max(start - 1, 0) : start], self._pattern[self._at :]
        is_part = before in (b"", b"/") and (not after or after.startswith((b"/", b"\\/")))
        if self._at - start == 1 or not is_part:
            return "[^/]*"
        if after.startswith(b"/"):
            self._at += 1
            return "(?:.*/)?"
        return ".*"

    def _set(self) -> str:
        """Translate a bracket expression; a `]` that comes first is a member."""
        self._at += 1
        is_negated = self._pattern[self._at : self._at + 1] in (b"!", b"^")
        self._at += is_negated
        found: set[int] = set()
        last: int | None = None
        is_first = True
        while is_first or self._pattern[self._at : self._at + 1] != b"]":
            is_first = False
            taken = self._member(found, last)
            if taken is None:
                self._at = len(self._pattern)
                return _NOTHING
            last = taken or None
        self._at += 1
        members = found | {_SLASH} if is_negated else found - {_SLASH}
        listed = "".join(f"\\x{byte:02x}" for byte in sorted(members))
        return f"[{'^' * is_negated}{listed}]" if listed else _NOTHING

    def _member(self, found: set[int], last: int | None) -> int | None:
        """Read one member; return the byte that may start a range, 0 for none, None if malformed."""
        rest = self._pattern[self._at :]
        if named := _CLASS.match(rest):
            self._at += named.end()
            members = _CLASSES.get(named.group(1))
            if members is None:
                return None
            found.update(byte for byte in range(256) if re.fullmatch(members, bytes([byte])))
            return 0
        if rest.startswith(b"[:") and b"]" not in rest:
            return None
        is_range = rest.startswith(b"-") and last is not None and rest[1:2] not in (b"", b"]")
        self._at += is_range
        byte = self._byte()
        if byte is None:
            return None
        found.update(range(last, byte + 1) if is_range and last is not None else (byte,))
        return 0 if is_range else byte

    def _byte(self) -> int | None:
        """Read one byte, escaped or not; None at the end of the pattern."""
        self._at += self._pattern[self._at : self._at + 1] == b"\\"
        byte = self._pattern[self._at : self._at + 1]
        self._at += 1
        return byte[0] if byte else None
