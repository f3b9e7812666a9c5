"""What an import has done, in numbers and in sentences."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from imports.models import Kind

MADE, KNOWN, CHANGED, SKIPPED = "made", "known", "changed", "skipped"
COLUMNS = (MADE, KNOWN, CHANGED, SKIPPED)
MESSAGES = "messages"
LINES = (*Kind.values[:-1], MESSAGES, Kind.LEADS.value)
EXAMPLES = 3  # names of rows, to look them up at the source
MOST_REMARKS = 200


@dataclass
class Remark:
    """Something that happened to rows of one kind."""

    kind: str
    text: str
    rows: int = 0
    examples: list[str] = field(default_factory=list)


class Summary:
    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in LINES}
        self.remarks: dict[tuple[str, str], Remark] = {}

    def count(self, kind: str, what: str, rows: int = 1) -> None:
        self.counts[kind][what] += rows

    def skip(self, kind: str, example: str, why: str) -> None:
        self.count(kind, SKIPPED)
        self.remark(kind, example, f"left out: {why}")

    def remark(self, kind: str, example: str, text: str) -> None:
        if len(self.remarks) >= MOST_REMARKS and (kind, text) not in self.remarks:
            text = "there is more to remark on than fits here"
        found = self.remarks.setdefault((kind, text), Remark(kind, text))
        found.rows += 1
        if example and len(found.examples) < EXAMPLES:
            found.examples.append(example[:80])

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": {name: dict(counts) for name, counts in self.counts.items()},
            "remarks": [vars(remark) for remark in self.remarks.values()],
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        summary = cls()
        for name, counts in kept.get("counts", {}).items():
            summary.counts[name].update(counts)
        for remark in kept.get("remarks", []):
            summary.remarks[remark["kind"], remark["text"]] = Remark(**remark)
        return summary
