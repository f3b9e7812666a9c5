"""A page of things of one kind, on its way in: what is known of them, and what is new.

With `write` off nothing is written, and the summary says what would be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from agents.models import Agent
from imports.facts.row import Misfit
from imports.models import Import, ImportedRow, Kind
from imports.summary import Summary


class Facts(Protocol):
    @property
    def source_id(self) -> str: ...
    @property
    def remarks(self) -> list[str]: ...
    @property
    def marks(self) -> dict[str, Any]: ...
    @classmethod
    def of(cls, raw: object) -> Any: ...


Read = TypeVar("Read", bound=Facts)


@dataclass(frozen=True, kw_only=True)
class Page:
    origin: Import
    agent: Agent | None  # None: it would be made, if this were not a dry run
    kind: Kind
    summary: Summary
    write: bool

    def read(self, rows: Sequence[object], facts: type[Read]) -> list[Read]:
        """What fits, each once; the rest is counted as skipped."""
        found: dict[str, Read] = {}
        for raw in rows:
            try:
                one: Read = facts.of(raw)
            except Misfit as misfit:
                self.summary.skip(self.kind, _name_of(raw), str(misfit))
                continue
            if one.source_id not in found:
                found[one.source_id] = one
                for text in one.remarks:
                    self.summary.remark(self.kind, one.source_id, text)
        return list(found.values())

    def known(self, facts: Iterable[Facts]) -> dict[str, ImportedRow]:
        """What has been brought before, by the source's id."""
        rows = ImportedRow.objects.for_workspace(self.origin.workspace_id).filter(
            origin_id=self.origin.pk,
            kind=self.kind,
            source_id__in=[one.source_id for one in facts],
        )
        if self.kind != Kind.AGENTS:
            rows = rows.filter(agent=self.agent) if self.agent else rows.none()
        return {row.source_id: row for row in rows}

    def taken(self, row_ids: Iterable[int]) -> set[int]:
        """Which of these rows of ours something of the source's has become."""
        if self.agent is None or not (ids := set(row_ids)):
            return set()
        rows = ImportedRow.objects.for_workspace(self.origin.workspace_id).filter(
            origin_id=self.origin.pk, kind=self.kind, agent=self.agent, row_id__in=ids
        )
        return set(rows.values_list("row_id", flat=True))

    def count(self, what: str, rows: int = 1) -> None:
        self.summary.count(self.kind, what, rows)

    def skip(self, one: Facts, why: str) -> None:
        self.summary.skip(self.kind, one.source_id, why)

    def remark(self, one: Facts, text: str) -> None:
        self.summary.remark(self.kind, one.source_id, text)

    def note(self, brought: Iterable[tuple[Facts, int]], agent: Agent) -> None:
        """Keeps which rows these have become."""
        ImportedRow.objects.bulk_create(
            ImportedRow(
                workspace_id=self.origin.workspace_id,
                origin=self.origin,
                agent=agent,
                kind=self.kind,
                source_id=one.source_id,
                row_id=row_id,
                marks=one.marks,
            )
            for one, row_id in brought
        )

    def note_again(self, rows: Sequence[ImportedRow]) -> None:
        """Keeps how these are by now."""
        ImportedRow.objects.bulk_update(rows, ["marks"], batch_size=500)


def differing(row: ImportedRow, one: Facts) -> set[str]:
    """What has changed at the source since the row was brought."""
    return {name for name, mark in one.marks.items() if row.marks.get(name) != mark}


def _name_of(raw: object) -> str:
    """By which a row that does not fit may be found."""
    named = raw if isinstance(raw, dict) else {}
    found = named.get("id") or named.get("name") or ""
    return found if isinstance(found, str) and found.isprintable() else ""
