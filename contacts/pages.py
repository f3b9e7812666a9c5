"""Pages of contacts by their number, however many there are.

A page's number says how many contacts come before it, and to skip them a database
would read them all. So triggers keep counts of blocks of ids (`contacts.guards`), in
the transaction of whatever adds, deletes or moves contacts: counts and rows cannot
disagree. From them comes the block in which a page begins, of which at most 255
contacts are skipped, and the total.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import BigIntegerField, PositiveSmallIntegerField, QuerySet

from agents.models import Agent
from bookbag.compiled import Compiled, Slot
from contacts.guards import BLOCK, REGION
from contacts.models import Contact, ContactCount

Counts = Iterable[tuple[int, int]]


def total_of(agent: Agent) -> int:
    return sum(total for _, total in _regions(agent))


def page(agent: Agent, *, number: int, size: int) -> tuple[list[Contact], int]:
    """The page, oldest contacts first, and how many there are on all pages."""
    regions = _regions(agent)
    total = sum(count for _, count in regions)
    skipped = (number - 1) * size
    if skipped >= total:
        return [], total
    region, skipped = _find(regions, skipped)
    block, skipped = _find(_blocks(agent, region), skipped)
    if block is None:  # contacts of this region have been deleted meanwhile
        block = _first_block(region + 1)
    # By the agent alone, for its index; an agent's contacts are its workspace's.
    rows = agent.contacts.filter(pk__gte=block << BLOCK).order_by("pk")
    return list(rows[skipped : skipped + size]), total


def _find(counts: Counts, skipped: int) -> tuple[Any, int]:
    """Where the contact is that has so many before it, None beyond the last; and how
    many of those are in the same place."""
    for place, count in counts:
        if skipped < count:
            return place, skipped
        skipped -= count
    return None, skipped


def _regions(agent: Agent) -> list[tuple[int, int]]:
    return _counts.rows(
        "all", workspace=agent.workspace_id, agent=agent.pk, bits=REGION
    )


def _blocks(agent: Agent, region: int) -> list[tuple[int, int]]:
    return _counts.rows(
        "of a region",
        workspace=agent.workspace_id,
        agent=agent.pk,
        bits=BLOCK,
        first=_first_block(region),
        end=_first_block(region + 1),
    )


def _first_block(region: int) -> int:
    return region << (REGION - BLOCK)


def _ordered(which: str) -> QuerySet[ContactCount, tuple[int, int]]:
    rows = ContactCount.objects.filter(
        workspace=Slot("workspace", BigIntegerField()),
        agent_id=Slot("agent", BigIntegerField()),
        bits=Slot("bits", PositiveSmallIntegerField()),
    )
    if which == "of a region":
        rows = rows.filter(
            block__gte=Slot("first", BigIntegerField()),
            block__lt=Slot("end", BigIntegerField()),
        )
    return rows.order_by("block").values_list("block", "total")


_counts = Compiled(_ordered)
