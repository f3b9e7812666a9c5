"""Usage by day, agent and key is the ledger's, whichever way one adds it up."""

import itertools
import threading
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce, TruncDate
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import make_workspace
from usage import rollups
from usage.models import DailyUsage, LedgerEntry
from workspaces.models import Workspace

ALWAYS = rollups.Period(date(2025, 12, 1), date(2026, 2, 1))
GROUPINGS = [
    group
    for size in range(4)
    for group in itertools.combinations(("day", "agent", "key"), size)
]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

entries = st.lists(
    st.fixed_dictionaries(
        {
            # Around midnight, in any zone: the day is that of UTC.
            "created_at": st.builds(
                lambda moved, hours: (NEW_YEAR + moved).astimezone(
                    timezone(timedelta(hours=hours))
                ),
                st.timedeltas(timedelta(days=-2), timedelta(days=2))
                | st.sampled_from([timedelta(0), timedelta(microseconds=-1)]),
                st.integers(-12, 14),
            ),
            "agent_id": st.integers(1, 3),
            "api_key_id": st.none() | st.integers(1, 2),
            "credits": st.integers(0, 3),
            "input_tokens": st.integers(0, 2**31 - 1),
            "output_tokens": st.integers(0, 2**31 - 1),
        }
    ),
    max_size=25,
)


def entry(workspace: Workspace, **values: Any) -> LedgerEntry:
    counts = {"credits": 1, "input_tokens": 2, "output_tokens": 3}
    return LedgerEntry(
        **{"workspace": workspace, "agent_id": 1, "estimated": False, **counts} | values
    )


def added_up(rows: list[dict[str, Any]], group: tuple[str, ...]) -> list[Any]:
    """By hand, in the shape of `usage_of`."""
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        columns = {
            "day": row["created_at"].astimezone(UTC).date(),
            "agent": row["agent_id"],
            "key": row["api_key_id"] or 0,
        }
        sums_of = sums[tuple(columns[name] for name in group)]
        for n, more in enumerate(
            [1, row["input_tokens"], row["output_tokens"], row["credits"]]
        ):
            sums_of[n] += more
    if not group:
        sums[()]  # nothing at all is a sum as well
    return [(*key, *counts) for key, counts in sorted(sums.items())]


def rolled_up(workspace: Workspace, group: tuple[str, ...]) -> list[Any]:
    rows = rollups.usage_of(workspace, ALWAYS, group_by=group)
    columns = [rollups.GROUPS[name] for name in group]
    counts = ["replies", "input_tokens", "output_tokens", "credits"]
    return [tuple(row[name] for name in columns + counts) for row in rows]


def of_ledger(workspace: Workspace, group: tuple[str, ...]) -> list[Any]:
    """What the database says of the ledger itself."""
    columns = {
        "day": TruncDate("created_at", tzinfo=UTC),
        "agent": F("agent_id"),
        "key": Coalesce("api_key_id", 0),
    }
    rows = (
        LedgerEntry.objects.for_workspace(workspace)
        .order_by()
        .annotate(**{f"by_{name}": columns[name] for name in group})
        .values(*[f"by_{name}" for name in group])
        .annotate(
            a=Count("id"),
            b=Sum("input_tokens"),
            c=Sum("output_tokens"),
            d=Sum("credits"),
        )
    )
    names = [*[f"by_{name}" for name in group], "a", "b", "c", "d"]
    return sorted(tuple(row[name] for name in names) for row in rows)


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(made=entries, together=st.booleans())
def test_rollups_never_disagree_with_the_ledger(
    made: list[dict[str, Any]], together: bool
) -> None:
    workspace = make_workspace()
    rows = [entry(workspace, **values) for values in made]
    if together:
        LedgerEntry.objects.bulk_create(rows)
    else:
        for row in rows:
            row.save()
    for group in GROUPINGS:
        assert rolled_up(workspace, group) == added_up(made, group)
        if group:
            assert rolled_up(workspace, group) == of_ledger(workspace, group)
    assert rollups.differences() == []


def test_an_entry_undone_is_not_rolled_up(workspace: Workspace) -> None:
    entry(workspace).save()
    with transaction.atomic():
        entry(workspace).save()
        transaction.set_rollback(True)
    assert DailyUsage.objects.for_workspace(workspace).get().replies == 1


def test_two_entries_of_one_message_are_refused_and_counted_once(
    workspace: Workspace,
) -> None:
    entry(workspace, message_id=7).save()
    again = entry(workspace, message_id=7)
    LedgerEntry.objects.bulk_create([again], ignore_conflicts=True)
    assert DailyUsage.objects.for_workspace(workspace).get().replies == 1
    assert rollups.differences() == []


def test_replies_that_are_not_stored_cost_as_well(workspace: Workspace) -> None:
    for _ in range(2):
        entry(workspace, conversation_id=None, message_id=None).save()
    (row,) = rollups.usage_of(
        workspace, rollups.Period(date(2000, 1, 1), date(2200, 1, 1))
    )
    assert (row["replies"], row["credits"]) == (2, 2)


def test_entries_at_once_are_all_rolled_up(patient: None) -> None:
    workspace = make_workspace()
    people, each = 8, 15
    start = threading.Barrier(people)
    problems: list[BaseException] = []

    def reply() -> None:
        try:
            start.wait()
            for number in range(each):
                entry(workspace, agent_id=number % 2, api_key_id=3).save()
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=reply) for _ in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    rows = DailyUsage.objects.for_workspace(workspace)
    assert sum(row.replies for row in rows) == people * each
    assert len({row.slot for row in rows}) > 8  # they did not all want the same row
    off = [one for one in rollups.differences() if one[0] == workspace.pk]
    assert off == []


def test_usage_of_others_is_not_counted(workspace: Workspace) -> None:
    entry(make_workspace("Elsewhere"), created_at=NEW_YEAR).save()
    assert rollups.usage_of(workspace, ALWAYS, group_by=["agent"]) == []
    (total,) = rollups.usage_of(workspace, ALWAYS)
    assert set(total.values()) == {0}


def test_too_many_rows_are_refused(workspace: Workspace) -> None:
    for agent_id in range(3):
        entry(workspace, agent_id=agent_id, created_at=NEW_YEAR).save()
    assert len(rollups.usage_of(workspace, ALWAYS, group_by=["agent"], most=3)) == 3
    with pytest.raises(rollups.TooManyRows):
        rollups.usage_of(workspace, ALWAYS, group_by=["agent"], most=2)


def test_check_usage_finds_what_is_off_and_mends_it(workspace: Workspace) -> None:
    entry(workspace, created_at=NEW_YEAR).save()
    assert "agree" in checked()
    DailyUsage.objects.for_workspace(workspace).update(credits=5)
    with pytest.raises(CommandError, match=r"2026-01-01.*-4 credits"):
        checked()
    DailyUsage.objects.for_workspace(workspace).delete()
    with pytest.raises(CommandError, match=r"\+1 replies"):
        checked()
    assert "agree" in checked("--rebuild")
    assert rolled_up(workspace, ("day",)) == [(NEW_YEAR.date(), 1, 2, 3, 1)]


def checked(*options: str) -> str:
    output = StringIO()
    call_command("check_usage", *options, stdout=output)
    return output.getvalue()
