"""Converts the HTML of a page, or of part of it, to Markdown."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from playwright.async_api import Locator, Page

_SKIPPED = frozenset({"script", "style", "template", "noscript", "svg", "head", "iframe"})
_BLOCKS = frozenset(
    {"p", "div", "section", "article", "main", "header", "footer", "ul", "ol", "table", "form",
     "blockquote", "figure", "nav", "aside", "dl", "dd", "dt", "address", "fieldset"}
)  # fmt: skip
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*", "code": "`", "del": "~~", "s": "~~"}
_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "source", "wbr"})


async def to_markdown(source: Page | Locator) -> str:
    """The body of a page, or an element, as Markdown."""
    if isinstance(source, Page):
        html = str(await source.locator("body").evaluate("node => node.outerHTML"))
    else:
        html = str(await source.evaluate("node => node.outerHTML"))
    return from_html(html)


def from_html(html: str) -> str:
    """Convert HTML to Markdown: headings, lists, links, emphasis, code, quotes and tables."""
    writer = _Writer()
    writer.feed(html)
    writer.close()
    return writer.text()


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._skipped = 0
        self._lists: list[int] = []
        self._links: list[str] = []
        self._is_preformatted = False
        self._cells: list[str] | None = None
        self._rows = 0
        self._quotes: list[int] = []

    def text(self) -> str:
        joined = "".join(self._out)
        joined = re.sub(r"[ \t]+\n", "\n", joined)
        return re.sub(r"\n{3,}", "\n\n", joined).strip() + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped += tag not in _VOID
            return
        if self._skipped:
            return
        if tag in ("ul", "ol"):
            self._block(1 if self._lists else 2)
            self._lists.append(0 if tag == "ul" else 1)
        elif tag in ("tr", "td", "th"):
            self._open_table_part(tag)
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")
            self._out.append("[")
        else:
            self._open_plain(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped = max(0, self._skipped - 1)
            return
        if self._skipped:
            return
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self._block(1 if self._lists else 2)
        elif tag == "a" and self._links:
            self._close_link()
        elif tag in ("td", "th", "tr"):
            self._close_table_part(tag)
        else:
            self._close_plain(tag)

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._is_preformatted:
            self._out.append(data)
            return
        text = re.sub(r"\s+", " ", data)
        if self._ends_with_space() and text.startswith(" "):
            text = text[1:]
        self._out.append(text)

    def _open_plain(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "li":
            self._open_item()
        elif re.fullmatch(r"h[1-6]", tag):
            self._block(2)
            self._out.append("#" * int(tag[1]) + " ")
        elif tag == "pre":
            self._block(2)
            self._out.append("```\n")
            self._is_preformatted = True
        elif tag == "blockquote":
            self._block(2)
            self._quotes.append(len(self._out))
        elif tag == "img":
            self._out.append(f"![{attributes.get('alt') or ''}]({attributes.get('src') or ''})")
        else:
            self._open_simple(tag)

    def _open_simple(self, tag: str) -> None:
        if tag in _MARKS and not self._is_preformatted:
            self._out.append(_MARKS[tag])
        elif tag == "br":
            self._out.append("\n")
        elif tag == "hr":
            self._block(2)
            self._out.append("---\n\n")
        elif tag in _BLOCKS and self._cells is None:
            self._block(2)

    def _close_plain(self, tag: str) -> None:
        if tag == "pre":
            self._is_preformatted = False
            self._out.append("\n```\n\n")
        elif tag == "blockquote" and self._quotes:
            begin = self._quotes.pop()
            quoted = "".join(self._out[begin:]).strip()
            self._out[begin:] = ["\n".join(f"> {line}" for line in quoted.splitlines()), "\n\n"]
        elif tag in _MARKS and not self._is_preformatted:
            self._out.append(_MARKS[tag])
        elif tag == "li":
            self._block(1)
        elif tag == "table":
            self._rows = 0
            self._block(2)
        elif (tag in _BLOCKS or re.fullmatch(r"h[1-6]", tag)) and self._cells is None:
            self._block(2)

    def _open_item(self) -> None:
        self._block(1)
        depth = max(0, len(self._lists) - 1)
        number = self._lists[-1] if self._lists else 0
        if number:
            self._lists[-1] += 1
        self._out.append("  " * depth + (f"{number}. " if number else "- "))

    def _close_link(self) -> None:
        target = self._links.pop()
        self._out.append(f"]({target})")

    def _open_table_part(self, tag: str) -> None:
        if tag == "tr":
            self._block(1)
            self._cells = []
        elif self._cells is not None:
            self._cells.append("")
            self._out.append("| ")

    def _close_table_part(self, tag: str) -> None:
        if tag != "tr":
            self._out.append(" ")
            return
        cells, self._cells = self._cells or [], None
        if cells:
            self._out.append("|\n")
            self._rows += 1
            if self._rows == 1:
                self._out.append("|" + " --- |" * len(cells) + "\n")

    def _block(self, lines: int) -> None:
        tail = "".join(self._out[-3:])
        if not tail.strip() and not any(part.strip() for part in self._out):
            return
        have = len(tail) - len(tail.rstrip("\n"))
        self._out.append("\n" * max(0, lines - have))

    def _ends_with_space(self) -> bool:
        for part in reversed(self._out):
            if part:
                return part[-1].isspace()
        return True
