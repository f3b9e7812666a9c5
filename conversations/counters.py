"""How many conversations an agent has, without counting them.

Triggers add and subtract in the transaction of whatever creates, deletes or moves
conversations, in whatever way and however many at once; a rollback takes both back. So
total and rows cannot disagree, and nobody needs to reconcile them. Two things pass the
triggers by: a restored dump, which brings the totals along, and on SQLite a migration
that moves rows itself, while all guards are away; such a one ends with
`conversations.guards.recount`.
"""

from django.db.models import Sum

from conversations.models import ConversationTotal


def total_of(workspace_id: int, agent_id: int) -> int:
    """The agent's conversations."""
    rows = ConversationTotal.objects.for_workspace(workspace_id)
    found = rows.filter(agent_id=agent_id).aggregate(total=Sum("total"))
    return int(found["total"] or 0)
