"""Lists, a page at a time.

A page begins after a position, not after a number of rows: whatever happens to other
rows meanwhile, none is skipped and none is shown twice. The client holds the position
as a cursor that it can neither read with profit nor forge, nor carry to another list.
"""

import base64
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, Self, TypeVar

import orjson
from django.core import signing
from django.db.models import Model, Q, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from bookbag.api import query
from bookbag.api.errors import InvalidBody
from bookbag.compiled import Compiled, Slot

Row = TypeVar("Row", bound=Model)
Position = list[Any]

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
MAX_CURSOR = 2_000  # characters; ours are shorter, unless a list is sorted by long text
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class PaginationSerializer(serializers.Serializer):
    """Where a list goes on."""

    cursor = serializers.CharField(
        allow_null=True,
        help_text="Pass it back for the next page. Null exactly when `hasMore` is"
        " false.",
    )
    hasMore = serializers.BooleanField()
    total = serializers.IntegerField(min_value=0, help_text="Of all pages.")


PARAMETERS = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "default": DEFAULT_LIMIT},
        description=f"Rows of a page: 1 to {MAX_LIMIT}. What is outside is taken for"
        " the nearest of them.",
    ),
    OpenApiParameter(
        "cursor",
        str,
        description="The `pagination.cursor` of the page before, of the same list with"
        " the same filters.",
    ),
]


@dataclass(frozen=True)
class Page:
    """The page that a request asks for."""

    limit: int
    position: Position | None  # where the page before it ended
    signer: signing.Signer

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        workspace: int,
        route: str,
        filters: Mapping[str, Any] | None = None,
    ) -> Self:
        """`route` names the list, the ids in its path included: a cursor is good for
        that list of that workspace, under those filters. InvalidBody."""
        limit = query.integer(request, "limit")
        cursor = query.parameter(request, "cursor")
        given = {n: value for n, value in (filters or {}).items() if value is not None}
        scope = orjson.dumps([workspace, route, given], option=orjson.OPT_SORT_KEYS)
        signer = signing.Signer(salt=f"cursor {scope.decode()}", sep=".")
        return cls(
            limit=DEFAULT_LIMIT if limit is None else min(max(limit, 1), MAX_LIMIT),
            position=None if cursor is None else _read(cursor, signer),
            signer=signer,
        )

    def rows(
        self,
        queryset: QuerySet[Row],
        keys: Sequence[str] = ("-id",),
        total: Callable[[], int] | None = None,
    ) -> tuple[list[Row], dict[str, Any]]:
        """The page's rows, and `pagination`.

        `keys` sort the list as in `order_by`, all in one direction; none is ever null
        and the last one is unique. `total` says how many rows the list has where
        somebody knows without counting.
        """
        wanted = queryset.order_by(*keys)
        if self.position is not None:
            wanted = wanted.filter(_beyond(keys, self.position))
        rows = list(wanted[: self.limit + 1])
        return self._cut(rows, keys, queryset.count if total is None else total)

    def rows_of(
        self, hot: "HotList[Row]", *, total: Callable[[], int], **values: Any
    ) -> tuple[list[Row], dict[str, Any]]:
        """The same of a list whose SQL is made once."""
        rows = hot.rows(self.position, self.limit + 1, **values)
        return self._cut(rows, hot.keys, total)

    def _cut(
        self, rows: list[Row], keys: Sequence[str], total: Callable[[], int]
    ) -> tuple[list[Row], dict[str, Any]]:
        has_more = len(rows) > self.limit
        del rows[self.limit :]
        is_whole = self.position is None and not has_more
        cursor = self._cursor_after(rows[-1], keys) if has_more else None
        return rows, {
            "cursor": cursor,
            "hasMore": has_more,
            "total": len(rows) if is_whole else total(),
        }

    def _cursor_after(self, row: Model, keys: Sequence[str]) -> str:
        position = [
            _write(attrgetter(key.lstrip("-").replace("__", "."))(row)) for key in keys
        ]
        payload = base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=")
        return self.signer.sign(payload.decode())


class HotList(Generic[Row]):
    """A list that is read all the time: `make` gives its queryset, with slots."""

    def __init__(
        self, make: Callable[[], QuerySet[Row]], keys: Sequence[str] = ("-id",)
    ) -> None:
        self.keys = keys
        self._make = make
        self._pages = Compiled(self._page)

    def rows(self, position: Position | None, most: int, **values: Any) -> list[Row]:
        after = {f"after_{n}": value for n, value in enumerate(position or ())}
        return self._pages.rows(position is not None, most, **values, **after)

    def _page(self, is_further: bool, most: int) -> QuerySet[Row]:
        rows = self._make().order_by(*self.keys)
        if is_further:
            columns = {field.name: field for field in rows.model._meta.concrete_fields}
            slots = [
                Slot(f"after_{number}", columns[key.lstrip("-")])
                for number, key in enumerate(self.keys)
            ]
            rows = rows.filter(_beyond(self.keys, slots))
        return rows[:most]


def _beyond(keys: Sequence[str], position: Sequence[Any]) -> Q:
    """What comes after the position. The condition on the first key alone is implied by
    the rest; but only with it does a database begin to read in the middle of an index.
    """
    names = [key.lstrip("-") for key in keys]
    lookup = "lt" if keys[0].startswith("-") else "gt"
    beyond = Q()
    for n, name in enumerate(names):
        same = dict(zip(names[:n], position[:n], strict=True))
        beyond |= Q(**same, **{f"{name}__{lookup}": position[n]})
    if len(names) == 1:
        return beyond
    return Q(**{f"{names[0]}__{lookup}e": position[0]}) & beyond


def _read(cursor: str, signer: signing.Signer) -> Position:
    try:
        if len(cursor) > MAX_CURSOR:
            raise signing.BadSignature
        payload = signer.unsign(cursor)
    except signing.BadSignature:
        raise InvalidBody(
            {
                "cursor": "Must be the cursor of this list's previous page, unchanged"
                " and with the same filters."
            }
        ) from None
    padded = payload + "=" * (-len(payload) % 4)
    values = orjson.loads(base64.urlsafe_b64decode(padded))
    return [_value(value) for value in values]


def _write(value: Any) -> Any:
    """A time in microseconds, in a list of its own: a number is itself."""
    if isinstance(value, dt.datetime):
        return [(value - _EPOCH) // _MICROSECOND]
    return value


def _value(written: Any) -> Any:
    if isinstance(written, list):
        return _EPOCH + written[0] * _MICROSECOND
    return written
