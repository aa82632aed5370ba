"""Parses the lines of a requirements file as pip and uv do: joined, without comments, classified. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"^(?:-r|--requirements?)(?:\s*=\s*|\s+|(?<=-r))(\S.*)$")
_CONSTRAINT = re.compile(r"^(?:-c|--constraints?)(?:\s*=\s*|\s+|(?<=-c))(\S.*)$")
_EDITABLE = re.compile(r"^(?:-e|--editable)(?:\s*=\s*|\s+|(?<=-e))(\S.*)$")
_FIND_LINKS = re.compile(r"^(?:-f|--find-links)(?:\s*=\s*|\s+|(?<=-f))(\S.*)$")
_NAME = re.compile(r"^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=$|[\[<>=!~;@(\s])")
_AT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*(\S.*)$")
_EXTRAS = re.compile(r"\[[^\]]*\]$")
_REMOTE = re.compile(r"^(?:[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2")
_ROOT_VARIABLE = "${PROJECT_ROOT}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One logical line, including its continuation lines."""

    number: int
    """Number of its first line, from 1."""
    text: str
    includes: str | None
    """The requirements or constraints file that it includes."""
    constrains: bool
    """True when it includes constraints."""
    path: str | None
    """Any other local file or folder that it names."""
    name: str | None
    """The package's normalized name."""

    @property
    def is_requirement(self) -> bool:
        """True when it requires a package."""
        return not self.text.startswith("-") or bool(_EDITABLE.match(self.text))

    @property
    def is_option(self) -> bool:
        """True for an option on where packages come from, or in what form."""
        return not self.is_requirement and self.includes is None

    @property
    def has_hash(self) -> bool:
        """True when it lists hashes of permitted files."""
        return " --hash" in self.text


def lines(text: str) -> Iterator[Line]:
    """Yield the logical lines that are not empty."""
    joined, first = "", 0
    for number, each in enumerate(text.splitlines(), 1):
        first = first if joined else number
        # A comment ends with its line, even within a continuation.
        said = _COMMENT.sub("", each).rstrip() if _COMMENT.search(each) else each.rstrip()
        if said.endswith("\\"):
            joined += said.removesuffix("\\") + " "
            continue
        if whole := " ".join((joined + said).split()):
            yield _line(first, whole)
        joined = ""
    if whole := " ".join(joined.split()):
        yield _line(first, whole)


def joined(text: str) -> str:
    """Rewrite a file with one line per requirement, at its first line: pip allows any continuation, uv only a few."""
    written = [""] * len(text.splitlines())
    for line in lines(text):
        written[line.number - 1] = line.text.replace(_ROOT_VARIABLE, ".")
    return "\n".join(written) + "\n"


def name(requirement: str) -> str | None:
    """The normalized name of a requirement's package; None for a bare path or URL."""
    found = _NAME.match(requirement)
    is_path = found is None or path(requirement) == requirement
    return None if found is None or is_path else normalized(found.group(1))


def normalized(package: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[._-]+", "-", package).lower()


def path(requirement: str) -> str | None:
    """The file or folder that a requirement names; None if it comes from an index or a URL."""
    at = _AT.match(requirement)
    target = re.split(r"\s+;|\s+--|;\s", at.group(1) if at else requirement, maxsplit=1)[0].strip()
    if target.startswith("file:"):
        return unquote(target.removeprefix("file:").removeprefix("//").partition("#")[0])
    target = target.replace(_ROOT_VARIABLE, ".")
    if _REMOTE.match(target) or re.match(r"^(git|hg|svn|bzr)\+", target):
        return None
    plain = _EXTRAS.sub("", target.partition("#")[0])
    is_path = plain.startswith((".", "/", "~")) or "/" in plain or plain.endswith(_ARCHIVES)
    return plain if is_path else None


def _line(number: int, text: str) -> Line:
    is_option = text.startswith("-")
    further, bounds, editable, links = (
        found.group(1).strip("\"' ") if is_option and (found := pattern.match(text)) else None
        for pattern in (_INCLUDE, _CONSTRAINT, _EDITABLE, _FIND_LINKS)
    )
    named = None if is_option else path(text)
    if editable is not None:
        is_remote = _REMOTE.match(editable) or "+" in editable
        named = path(editable) or (None if is_remote else _EXTRAS.sub("", editable))
    elif links is not None:
        named = _of_this_machine(links)
    return Line(
        number=number,
        text=text,
        includes=_of_this_machine(further or bounds),
        constrains=bounds is not None,
        path=named,
        name=None if is_option else name(text),
    )


def _of_this_machine(target: str | None) -> str | None:
    return None if target is None or _REMOTE.match(target) else target
