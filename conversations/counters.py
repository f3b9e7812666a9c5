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
    return sum(one.total for one in _slots.rows(workspace=workspace_id, agent=agent_id))


def _of_agent() -> QuerySet[ConversationTotal]:
    rows = ConversationTotal.objects.filter(
        workspace=Slot("workspace", BigIntegerField()),
        agent_id=Slot("agent", BigIntegerField()),
    )
    return rows.only("total")


_slots = Compiled(_of_agent)
