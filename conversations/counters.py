"""How many conversations an agent has, without counting them.

Triggers add and subtract in the transaction of whatever creates, deletes or moves
conversations, in whatever way and however many at once; a rollback takes both back. So
total and rows cannot disagree, and nobody needs to reconcile them. Two things pass the
triggers by: a restored dump, which brings the totals along, and on SQLite a migration
that moves rows itself, while all guards are away; such a one ends with
`conversations.guards.recount`.
"""

from django.db.models import BigIntegerField, QuerySet

from bookbag.compiled import Compiled, Slot
from conversations.models import ConversationTotal


def total_of(workspace_id: int, agent_id: int) -> int:
    """The agent's conversations."""
    slots = _slots.rows(workspace=workspace_id, agent=agent_id)
    return sum(total for (total,) in slots)


def _of_agent() -> QuerySet[ConversationTotal, tuple[int]]:
    rows = ConversationTotal.objects.filter(
        workspace=Slot("workspace", BigIntegerField()),
        agent_id=Slot("agent", BigIntegerField()),
    )
    return rows.values_list("total")


_slots = Compiled(_of_agent)
