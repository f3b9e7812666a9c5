"""Lists of a page's length, the newest first. The next page begins after a row, not
after a number of rows, so that news meanwhile neither repeats nor hides one."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Self, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)

PAGE = 100
_WRITTEN = re.compile(r"\A([0-9]{1,17})\.([0-9]{1,18})\Z")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Position:
    """After which row a page begins, as an address says it."""

    moment: dt.datetime
    row: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None where the text is no position: the list then begins at its beginning."""
        found = _WRITTEN.match(text)
        if not found:
            return None
        try:
            return cls(_EPOCH + int(found[1]) * _MICROSECOND, int(found[2]))
        except OverflowError:
            return None

    def __str__(self) -> str:
        return f"{(self.moment - _EPOCH) // _MICROSECOND}.{self.row}"


def page_of(
    rows: QuerySet[Row], *, by: str, after: Position | None
) -> tuple[list[Row], Position | None]:
    """A page of the rows by this time, and after which the next one begins."""
    if after is not None:
        # The first condition is implied, but begins the reading amid the index.
        rows = rows.filter(
            Q(**{f"{by}__lt": after.moment})
            | Q(**{by: after.moment, "pk__lt": after.row}),
            **{f"{by}__lte": after.moment},
        )
    found = list(rows.order_by(f"-{by}", "-pk")[: PAGE + 1])
    if len(found) <= PAGE:
        return found, None
    last = found[PAGE - 1]
    return found[:PAGE], Position(getattr(last, by), last.pk)
