"""Readable text of an HTML page.

Also a program: HTML comes in, JSON goes out. It is run as one because a page is made by
strangers and read by C. Some pages of a few megabytes take a browser's algorithm
minutes or all memory; here that ends this process, and no other waits or falls with it.
It therefore imports nothing of ours.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

SECONDS = 10  # of CPU; the largest honest pages take one
MEMORY = 512 * 1024 * 1024  # and those take 150 MB


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LEFT_OUT = _names(
    "audio base button canvas datalist dialog embed footer head iframe input link map"
    " math meta nav noscript object picture script select style svg template textarea"
    " title video"
)
_LEFT_OUT_ROLES = _names(
    "alertdialog contentinfo dialog menu menubar navigation search"
)
_BLOCKS = _names(
    "address article aside blockquote body caption center dd details div dl dt fieldset"
    " figcaption figure form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main"
    " menu ol p pre section summary table tbody td tfoot th thead tr ul"
)
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_LISTS = _names("dl menu ol ul")
_CELLS = _names("td th")
# After and before these a new line is enough; other blocks stand apart.
_CLOSE = _names("dd dt tbody td tfoot th thead tr")
_DEEPEST = 4  # how far items are indented; what is deeper is no better understood
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# What nobody sees: soft hyphens, zero widths, controls that are no white space.
_NOT_SHOWN = re.compile(
    "[\xad\u200b\u2060\ufeff\0-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]"
)
_BREAK = "\x0b"  # a line's end that white space around it does not swallow


@dataclass(frozen=True)
class Page:
    title: str
    text: str


def read(html: str) -> Page:
    tree = LexborHTMLParser(html)
    root = tree.root
    text = _text(root, without_forms=True) if root else ""
    if root and not text:
        text = _text(root, without_forms=False)  # some sites are one great form
    title = tree.css_first("head > title") or tree.css_first("h1")
    return Page(one_line(title.text(deep=True)) if title else "", text)


def _text(root: LexborNode, *, without_forms: bool) -> str:
    writer = _Writer()
    # By hand: pages nest deeper than Python calls.
    for node, begins in _walk(root, without_forms=without_forms):
        if node.is_text_node:
            writer.say(node.text_content or "")
        elif begins:
            writer.begin(node)
        else:
            writer.end(node)
    writer.end_line()
    return "".join(writer.written)


def _walk(
    root: LexborNode, *, without_forms: bool
) -> Iterator[tuple[LexborNode, bool]]:
    """Each node as it begins and each element as it ends, but for what is left out."""
    node: LexborNode | None = root
    open_nodes: list[LexborNode] = []
    while node is not None or open_nodes:
        if node is None:
            node = open_nodes.pop()
            yield node, False
        elif node.is_text_node:
            yield node, True
        elif node.is_element_node and not _is_left_out(node, without_forms):
            yield node, True
            open_nodes.append(node)
            node = node.child
            continue
        node = node.next


def _is_left_out(node: LexborNode, without_forms: bool) -> bool:
    if node.tag in _LEFT_OUT or (without_forms and node.tag == "form"):
        # A heading that unfolds what is under it is a button, and a heading.
        folds = node.tag == "button" and node.parent and node.parent.tag in _HEADINGS
        return not folds
    attributes = node.attributes
    return bool(attributes) and (
        attributes.get("hidden", "until-found") != "until-found"
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in _LEFT_OUT_ROLES
        or bool(_UNSEEN.search(attributes.get("style") or ""))
    )


@dataclass
class _List:
    tag: str
    number: int  # of the next item


@dataclass
class _Table:
    cells: list[str] = field(default_factory=list)
    is_header: bool = True  # of the row at hand: whether all its cells are
    rows: int = 0


@dataclass
class _Writer:
    """Says words and lines as Markdown does, as far as knowledge.chunking reads it."""

    written: list[str] = field(default_factory=list)
    _words: list[str] = field(default_factory=list)
    _lists: list[_List] = field(default_factory=list)
    _tables: list[_Table | None] = field(default_factory=list)  # None: of layout only
    _in_cell: bool = False
    _in_pre: int = 0  # how many
    _gap: int = 0  # lines to leave before the next
    _mark: str = ""  # what the next line begins with
    _heading: str = ""

    def say(self, text: str) -> None:
        text = _NOT_SHOWN.sub("", text)
        self._words.append(text.replace("\n", _BREAK) if self._in_pre else text)

    def begin(self, node: LexborNode) -> None:
        tag = node.tag
        if tag == "br":
            self.say_break()
        elif tag in _BLOCKS:
            self._begin_block(node, tag or "")

    def end(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag not in _BLOCKS:
            return
        if self._in_cell and tag not in (*_CELLS, "tr", "table"):
            self._words.append(" ")  # a cell is one line, whatever is in it
            return
        if tag == "table" and self._tables:
            self._end_line_of(tag)
            self._tables.pop()
        elif self._table and tag in _CELLS and self._in_cell:
            self._in_cell = False
            self._table.cells.append(self._taken().replace(_BREAK, " "))
            self._table.is_header &= tag == "th"
        elif self._table and tag == "tr":
            self._end_row(self._table)
        else:
            self._end_line_of(tag)

    def say_break(self) -> None:
        self._words.append(_BREAK)

    def end_line(self, gap: int = 2) -> None:
        words = self._taken()
        lines = [line for part in words.split(_BREAK) if (line := part.strip())]
        if self._heading:
            lines = [f"{self._heading} {' '.join(lines)}"] if lines else []
        if lines:
            self._write(lines)
        self._gap = max(self._gap, 1 if self._lists else gap)

    @property
    def _table(self) -> _Table | None:
        return self._tables[-1] if self._tables else None

    def _begin_block(self, node: LexborNode, tag: str) -> None:
        if self._in_cell:
            self._words.append(" ")
            return
        if tag in _CELLS and self._table:
            self._words.clear()
            self._in_cell = True
            return
        self.end_line(gap=1 if tag in _CLOSE else 2)
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag in _LISTS:
            start = str(node.attributes.get("start") or "")
            number = int(start) if re.fullmatch("[0-9]{1,3}", start) else 1
            self._lists.append(_List(tag, number))
        elif tag == "li":
            self._mark = self._item_mark()
        elif tag == "pre":
            self._in_pre += 1
        elif tag == "table":
            self._tables.append(None if _is_layout(node) else _Table())

    def _end_line_of(self, tag: str) -> None:
        self.end_line(gap=1 if tag in _CLOSE else 2)
        if tag in _HEADINGS:
            self._heading = ""
        elif tag in _LISTS and self._lists:
            self._lists.pop()
            self._gap = max(self._gap, 1 if self._lists else 2)
        elif tag == "li":
            self._mark = ""  # an item that said nothing
        elif tag == "pre":
            self._in_pre -= 1

    def _item_mark(self) -> str:
        if not self._lists:
            return "- "
        inner = self._lists[-1]
        mark = f"{inner.number}. " if inner.tag == "ol" else "- "
        inner.number += 1
        return self._indent(len(self._lists) - 1) + mark

    def _indent(self, depth: int) -> str:
        terms = sum(one.tag == "dl" for one in self._lists[:_DEEPEST])
        return "  " * max(0, min(depth, _DEEPEST) - terms)

    def _end_row(self, table: _Table) -> None:
        cells = [cell.replace("|", "/") for cell in table.cells]
        if any(cells):
            if len(cells) == 1:
                self._write(cells)
            else:
                rule = "| --- " * len(cells) + "|"
                is_header = table.is_header and table.rows == 0
                row = f"| {' | '.join(cells)} |"
                self._write([row, rule] if is_header else [row])
            self._gap = 1
            table.rows += 1
        table.cells, table.is_header = [], True

    def _write(self, lines: list[str]) -> None:
        indent = self._indent(len(self._lists))
        gap = "\n" * self._gap if self.written else ""
        first = self._mark or ("" if self._heading else indent)
        self.written.append(gap + first + f"\n{indent}".join(lines))
        self._gap, self._mark = 0, ""

    def _taken(self) -> str:
        """The words said since the last line, with sane white space."""
        parts = "".join(self._words).split(_BREAK)
        self._words.clear()
        return _BREAK.join(" ".join(part.split()) for part in parts)


def _is_layout(table: LexborNode) -> bool:
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    # `css` counts the table itself among what it finds in it.
    return any(inner.mem_id != table.mem_id for inner in table.css("table"))


def one_line(text: str | None) -> str:
    """As a title is shown, and stored."""
    return " ".join(_NOT_SHOWN.sub("", text or "").split())


def main() -> None:
    _limit()
    page = read(sys.stdin.buffer.read().decode())
    answer = json.dumps({"title": page.title, "text": page.text})
    sys.stdout.buffer.write(answer.encode())


def _limit() -> None:
    try:
        import resource  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere it cannot be set, or counts other things
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
