"""A document's text cut into chunks, by span, along its headings.

Everything is an offset into the text (code points), so a quote can always be held
against its source: a chunk is `text[start:end]`, and so is each of its sentences.
"""

import re
from dataclasses import dataclass, field

from knowledge.sentences import Span, is_question, sentences, trim

CHUNK_SIZE = 700  # characters: about 150 tokens, well inside the model's window
WHOLE_SIZE = 400  # an answer, or a list with its lead-in, up to here is quoted whole
ANSWER_SIZE = (
    2000  # an answer up to here stays one chunk, so that it can be given whole
)
PATH_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk before it is a row. `heading` is the path of headings it stands under."""

    ordinal: int
    start: int
    end: int
    heading: str
    sentences: tuple[Span, ...]


def chunks(text: str) -> list[Piece]:
    """The chunks of a text, in order; they cover all of it but white space."""
    pieces: list[Piece] = []
    for section in _sections(text):
        start = section.start
        for end, spans in _pack(text, section):
            pieces.append(Piece(len(pieces), start, end, section.heading, tuple(spans)))
            start, _ = trim(text, end, section.end)
    return pieces


def answer_chunks(answer: str) -> list[Piece]:
    """The chunks of a Q&A answer: one if it can be, quoted whole if it is short."""
    start, end = trim(answer, 0, len(answer))
    if start == end:
        return []
    if end - start <= WHOLE_SIZE:
        return [Piece(0, start, end, "", ((start, end),))]
    pieces = chunks(answer)
    if end - start > ANSWER_SIZE:
        return pieces
    spans = tuple(span for piece in pieces for span in piece.sentences)
    return [Piece(0, start, end, "", spans)]


@dataclass(slots=True)
class _Block:
    kind: str  # "paragraph", "item", "row" or "rule"
    start: int
    end: int


@dataclass(slots=True)
class _Section:
    """Blocks under one heading; `start` takes in the heading's own line."""

    heading: str
    start: int
    end: int
    blocks: list[_Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    words: str
    opens: bool  # an empty line, or nothing, stands above
    closes: bool  # an empty line, or nothing, stands below


_HEADING = re.compile(r"(#{1,6})[ \t]+(?=[^\s#])")
_UNDERLINE = re.compile(r"(?:={3,}|-{3,})\Z")
_ITEM = re.compile(r"(?:[-*+•‣–]|\d{1,3}[.)]|[a-z]\))[ \t]+(?=\S)")
_RULE = re.compile(r"([-=*_])(?:[ \t]*\1){2,}\Z")
_ASKED = re.compile(r"(?:q|question)[ \t]*[:.)][ \t]*", re.IGNORECASE)
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)\1:?\Z")

_TITLE_LEVEL = 7  # a short line of its own stands under every marked heading
_QUESTION_LEVEL = 8  # and a line that asks under that


def _lines(text: str) -> list[_Line]:
    raw: list[Span] = []
    at = 0
    for line in text.splitlines(keepends=True):
        raw.append(trim(text, at, at + len(line)))
        at += len(line)
    empty = [start == end for start, end in raw]
    return [
        _Line(
            start,
            end,
            text[start:end],
            opens=n == 0 or empty[n - 1],
            closes=n == len(raw) - 1 or empty[n + 1],
        )
        for n, (start, end) in enumerate(raw)
        if not empty[n]
    ]


def _sections(text: str) -> list[_Section]:
    lines = _lines(text)
    done: list[_Section] = []
    path: list[tuple[int, str]] = []
    waiting: list[_Line] = []  # heading lines that no section has taken in yet
    columns = ""
    section: _Section | None = None
    for n, line in enumerate(lines):
        below = lines[n + 1] if n + 1 < len(lines) else None
        is_row = line.words.startswith("|") and line.words.count("|") > 1
        if _RULE.match(line.words) or _is_table_rule(line.words):
            # A ruled line says nothing, but lies inside some chunk.
            if section is None:
                waiting.append(line)
            else:
                section.blocks.append(_Block("rule", line.start, line.end))
                section.end = line.end
            continue
        if is_row and below and _is_table_rule(below.words):
            columns = ", ".join(cell for cell in _cells(line.words) if cell)
            waiting.append(line)
            section = None
            continue
        if not is_row:
            if columns:
                columns, section = "", None
            level, words = _heading(line, below)
            if level:
                path = [entry for entry in path if entry[0] < level]
                path.append((level, words))
                waiting.append(line)
                section = None
                continue
        if section is None:
            names = [words for _, words in path] + [columns]
            heading = PATH_SEPARATOR.join(filter(None, names))
            start = waiting[0].start if waiting else line.start
            section = _Section(heading, start, line.end)
            done.append(section)
            waiting = []
        _add(section, line, is_row=is_row)
    if waiting:  # headings with nothing under them are text themselves
        heading = PATH_SEPARATOR.join(words for _, words in path[:-1])
        left = _Section(heading, waiting[0].start, waiting[-1].end)
        left.blocks = [_Block("paragraph", line.start, line.end) for line in waiting]
        done.append(left)
    return done


def _add(section: _Section, line: _Line, *, is_row: bool) -> None:
    last = section.blocks[-1] if section.blocks else None
    if is_row:
        section.blocks.append(_Block("row", line.start, line.end))
    elif _ITEM.match(line.words):
        section.blocks.append(_Block("item", line.start, line.end))
    elif last and not line.opens and last.kind in ("paragraph", "item"):
        last.end = line.end
    else:
        section.blocks.append(_Block("paragraph", line.start, line.end))
    section.end = line.end


def _heading(line: _Line, below: _Line | None) -> tuple[int, str]:
    """The level and words of a heading; level 0 for any other line."""
    if match := _HEADING.match(line.words):
        return len(match[1]), _plain(line.words[match.end() :].rstrip("# \t"))
    if below is None or _ITEM.match(line.words):
        return 0, ""
    if line.opens and not line.closes and _UNDERLINE.match(below.words):
        return (1 if below.words[0] == "=" else 2), _plain(line.words)
    asked = _ASKED.sub("", _plain(line.words[:300]), count=1)
    if is_question(asked) and len(line.words) <= 200 and len(sentences(asked)) == 1:
        return _QUESTION_LEVEL, asked
    if line.opens and len(line.words) <= 100 and _BOLD.match(line.words):
        return _TITLE_LEVEL, _plain(line.words)
    if line.opens and line.closes and _is_title(line.words):
        return _TITLE_LEVEL, _plain(line.words)
    return 0, ""


def _is_table_rule(words: str) -> bool:
    return "|" in words and "-" in words and not words.strip("|-: \t")


def _is_title(words: str) -> bool:
    if len(words) > 60 or len(words.split()) > 8 or not words[0].isupper():
        return False
    # A figure in a short line is a fact ("Mon-Fri 9-17"), not a title.
    return words[-1].isalpha() and not any(char.isdigit() for char in words)


def _plain(words: str) -> str:
    return re.sub(r"\*\*|__|`|:\Z", "", words.strip()).strip()


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _pack(text: str, section: _Section) -> list[tuple[int, list[Span]]]:
    """The section's sentences in handfuls of CHUNK_SIZE, each with its end."""
    packed: list[tuple[int, list[Span]]] = []
    start, end, held = section.start, section.start, list[Span]()
    for block_end, spans in _block_sentences(text, section):
        # A block moves whole to the next chunk rather than being split, if it fits.
        whole = block_end - (spans[0][0] if spans else block_end) <= CHUNK_SIZE
        if held and whole and block_end - start > CHUNK_SIZE:
            packed.append((end, held))
            start, held = spans[0][0] if spans else block_end, []
        for span in spans:
            if held and span[1] - start > CHUNK_SIZE:
                packed.append((end, held))
                start, held = span[0], []
            held.append(span)
            end = span[1]
        end = block_end
    if held:
        packed.append((section.end, held))
    elif packed:
        packed[-1] = (section.end, packed[-1][1])
    elif section.start < section.end:
        packed.append((section.end, []))
    return packed


def _block_sentences(text: str, section: _Section) -> list[tuple[int, list[Span]]]:
    found: list[tuple[int, list[Span]]] = []
    lead: int | None = None  # where a sentence that introduces a list began
    for block in section.blocks:
        start = block.start
        if block.kind == "rule":
            found.append((block.end, []))
            lead = None
            continue
        if block.kind == "row":
            start, end = _inside_pipes(text, block)
            found.append((block.end, [(start, end)] if start < end else []))
            lead = None  # the items after a table are not of the sentence before it
            continue
        if block.kind == "item":
            if lead is not None and found and block.end - lead <= WHOLE_SIZE:
                # "Bring with you:" means nothing without its items.
                found[-1][1][-1] = (lead, block.end)
                found[-1] = (block.end, found[-1][1])
                continue
            marker = _ITEM.match(text[start : block.end])
            start += marker.end() if marker else 0
        lead = None if block.kind == "paragraph" else lead
        spans = sentences(text, start, block.end)
        found.append((block.end, spans))
        if block.kind == "paragraph" and spans and text[spans[-1][1] - 1] in ":：":
            lead = spans[-1][0]
    return found


def _inside_pipes(text: str, block: _Block) -> Span:
    start, end = block.start, block.end
    start += text[start] == "|"
    end -= end > start and text[end - 1] == "|"
    return trim(text, start, end)
