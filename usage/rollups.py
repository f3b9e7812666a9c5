"""Usage by day, agent and key: read from the roll-ups, and held against the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Sum

from usage.guards import DAY, SLOTS
from usage.models import NOBODY, DailyUsage, RequestCount
from workspaces.models import Workspace

# What may be grouped by, in the order in which rows are sorted.
GROUPS = {"day": "day", "agent": "agent_id", "key": "api_key_id"}
COUNTS = ("requests", "replies", "input_tokens", "output_tokens", "credits")


class TooManyRows(Exception):
    """More groups than anybody reads in one piece."""


@dataclass(frozen=True)
class Period:
    """Days of UTC, the last one included."""

    first: date
    last: date


def usage_of(
    workspace: Workspace | int,
    period: Period,
    *,
    group_by: Iterable[str] = (),
    agent_id: int | None = None,
    api_key_id: int | None = None,
    most: int = 10_000,
) -> list[dict[str, Any]]:
    """Sums for each group that has any, in order: a row holds the columns of `GROUPS`
    asked for, and `COUNTS`. TooManyRows, if there are more than `most`."""
    columns = [column for name, column in GROUPS.items() if name in set(group_by)]
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for table in (DailyUsage, RequestCount):
        rows = table.objects.for_workspace(workspace)
        rows = rows.filter(day__range=(period.first, period.last))
        if agent_id is not None:
            rows = rows.filter(agent_id=agent_id)
        if api_key_id is not None:
            rows = rows.filter(api_key_id=api_key_id)
        counts = [name for name in COUNTS if name in _fields(table)]
        sums = {f"sum_{name}": Sum(name) for name in counts}
        groups = rows.order_by().values(*columns).annotate(**sums)[: most + 1]
        for row in groups if columns else [rows.aggregate(**sums)]:
            group = tuple(row[column] for column in columns)
            sums_so_far = found.setdefault(group, dict.fromkeys(COUNTS, 0))
            for name in counts:
                # PostgreSQL's sums of bigints are decimals.
                sums_so_far[name] = int(row[f"sum_{name}"] or 0)
    if len(found) > most:
        raise TooManyRows
    return [
        dict(zip(columns, group, strict=True)) | found[group] for group in sorted(found)
    ]


# --- Against the ledger ------------------------------------------------------------

_SUMS = ("replies", "input_tokens", "output_tokens", "credits")


def _fields(table: type[models.Model]) -> set[str]:
    return {field.name for field in table._meta.concrete_fields}


def _of_ledger(slot: str = "0") -> str:
    """The ledger as it has to be rolled up."""
    day = DAY[connection.vendor].format("created_at")
    return (
        f"SELECT workspace_id, {day} AS day, agent_id,"
        f" coalesce(api_key_id, {NOBODY}) AS api_key_id, {slot} AS slot,"
        " count(*) AS replies, sum(input_tokens) AS input_tokens,"
        " sum(output_tokens) AS output_tokens, sum(credits) AS credits"
        " FROM usage_ledgerentry GROUP BY 1, 2, 3, 4, 5"
    )


def differences(most: int = 100) -> list[tuple[Any, ...]]:
    """Where ledger and roll-ups disagree: workspace, day, agent and key, then how many
    more replies, tokens in, tokens out and credits the ledger has. Reads both whole."""
    off = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
    minus = ", ".join(f"-{name}" for name in _SUMS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT workspace_id, day, agent_id, api_key_id, {off} FROM ("
            f" SELECT workspace_id, day, agent_id, api_key_id, {', '.join(_SUMS)}"
            f" FROM ({_of_ledger()}) AS ledger"
            f" UNION ALL SELECT workspace_id, day, agent_id, api_key_id, {minus}"
            " FROM usage_dailyusage) AS both_books"
            " GROUP BY workspace_id, day, agent_id, api_key_id HAVING "
            + " OR ".join(f"sum({name}) <> 0" for name in _SUMS)
            + f" ORDER BY 1, 2, 3, 4 LIMIT {most:d}"
        )
        return cursor.fetchall()


def rebuild() -> None:
    """Makes the roll-ups anew; replies that end meanwhile wait."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE usage_ledgerentry IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM usage_dailyusage")
        cursor.execute(
            "INSERT INTO usage_dailyusage (workspace_id, day, agent_id, api_key_id,"
            f" slot, {', '.join(_SUMS)}) {_of_ledger(f'id % {SLOTS}')}"
        )
