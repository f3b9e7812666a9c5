"""An agent's leads as a table for spreadsheets: CSV as RFC 4180 has it, in UTF-8 with
the byte order mark by which Excel knows it. Written a page at a time, however many."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from django.db.models import Q, QuerySet

from agents.models import Agent
from bookbag.api.times import iso
from contacts.leads import NAMED, Scalar, as_text
from contacts.models import Lead

FIXED = ("id", "created_at", *NAMED, "conversation_id")
# Columns of fields' own. Anybody may leave leads, with labels that nobody has used
# before; what is beyond stands in one column more, as JSON.
MOST_COLUMNS = 1_000
OTHERS = "other fields"
PAGE = 200  # leads; each has 100,000 characters at most
BOM = "\ufeff"

# What a spreadsheet takes for a formula, in any width, where a cell begins. In half of
# the world one begins behind a semicolon, too: quotes do not keep this one together.
_FORMULA = re.compile(r"(?<![;\s])[;\s]*+(?=[=+\-@＝＋－＠])")
_CONTROL = ("\t", "\r", "\n")
_ENDS = (";", *_CONTROL)  # of a cell or of a line


def pages(agent: Agent) -> Iterator[bytes]:
    """The table, each page a visit to the database. The first ones are empty: all leads
    are looked at before it is known which columns there are."""
    columns = _Columns()
    newest = Lead.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    leads = Lead.objects.for_workspace(agent.workspace_id)
    leads = leads.filter(agent=agent, pk__lte=newest)
    for page in _in_order(leads, newest_first=False):
        for lead in page:
            columns.note(lead)
        yield b""
    yield BOM.encode() + written([columns.header()])
    for page in _in_order(leads, newest_first=True):
        yield written(columns.row(lead) for lead in page if columns.have(lead))


def written(rows: Iterable[Sequence[Scalar]]) -> bytes:
    """Rows of the table, of cells that no spreadsheet takes for formulas."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([cell(value) for value in row] for row in rows)
    return buffer.getvalue().encode()


def cell(value: Scalar) -> str:
    """With an apostrophe in front of what a spreadsheet would do more than show."""
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json.dumps(value)
    value = _FORMULA.sub(_guarded, value.replace("\0", ""))
    return f"'{value}" if value.startswith(_CONTROL) else value


def _guarded(found: re.Match[str]) -> str:
    before = found[0]
    if any(one in before for one in _ENDS):
        before += "'"
    return before if found.start() else f"'{before}"


class _Columns:
    """One for every field ever seen, in the order in which they were."""

    def __init__(self) -> None:
        self._labels: dict[str, None] = {}
        self._are_all = True

    def note(self, lead: Lead) -> None:
        for label in _own(lead):
            if label in self._labels:
                continue
            if len(self._labels) < MOST_COLUMNS:
                self._labels[label] = None
            else:
                self._are_all = False

    def have(self, lead: Lead) -> bool:
        """Whether they have room for it. Else it has come meanwhile."""
        return not self._are_all or all(label in self._labels for label in _own(lead))

    def header(self) -> list[str]:
        header: list[str] = list(FIXED)
        for label in [*self._labels, *([] if self._are_all else [OTHERS])]:
            while cell(label) in header:  # two of one name would be read as one
                label += " (field)"
            header.append(cell(label))
        return header

    def row(self, lead: Lead) -> list[Scalar]:
        fixed = [
            lead.pk,
            iso(lead.created_at),
            *(getattr(lead, name) for name in NAMED),
            lead.conversation_id,
        ]
        cells = [lead.fields.get(label) for label in self._labels]
        return [*fixed, *cells, *([] if self._are_all else [self._others(lead)])]

    def _others(self, lead: Lead) -> str:
        others = {
            label: lead.fields[label]
            for label in _own(lead)
            if label not in self._labels
        }
        return json.dumps(others, ensure_ascii=False) if others else ""


def _own(lead: Lead) -> Iterator[str]:
    """The labels of what does not stand in a fixed column already."""
    for label, value in lead.fields.items():
        name = label.strip().casefold()
        if name not in NAMED or as_text(value) != (getattr(lead, name) or ""):
            yield label


def _in_order(leads: QuerySet[Lead], *, newest_first: bool) -> Iterator[list[Lead]]:
    """All of them, page by page; each begins where the one before has ended."""
    sign, beyond = ("-", "lt") if newest_first else ("", "gt")
    leads = leads.order_by(f"{sign}created_at", f"{sign}pk")
    rest = leads
    while page := list(rest[:PAGE]):
        yield page
        moment, number = page[-1].created_at, page[-1].pk
        # The first condition is implied, but begins the reading amid the index.
        rest = leads.filter(
            Q(**{f"created_at__{beyond}": moment})
            | Q(**{"created_at": moment, f"pk__{beyond}": number}),
            **{f"created_at__{beyond}e": moment},
        )
