"""The fenced blocks of a guide: what a reader pastes, and what they are shown of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/api"
MOVING = ROOT / "docs/moving-from-chatbase.md"

RUN = ("bash", "python", "javascript")
SHOWN = ("json", "text")

_FENCE = re.compile(r"\A```(\w*)\Z")
# Above a block that nobody runs; the reason is for whoever reads the source.
_NOT_RUN = re.compile(r"\A<!-- not run: (.+) -->\Z")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int  # of its first line, from 1
    not_run: str | None = None  # why


def guides() -> list[Path]:
    return sorted(GUIDES.glob("*.md"))


def pages() -> list[Path]:
    """All whose blocks are run."""
    return [*guides(), MOVING]


def blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    number, reason = 0, None
    while number < len(lines):
        line = lines[number]
        number += 1
        if opening := _FENCE.match(line):
            begun = number
            while lines[number] != "```":
                number += 1
            text = "\n".join(lines[begun:number]) + "\n"
            yield Block(opening[1], text, begun + 1, reason)
            number += 1
        note = _NOT_RUN.match(line)
        reason = note[1] if note else None
