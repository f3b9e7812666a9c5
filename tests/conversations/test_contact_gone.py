"""A contact that somebody deletes while it talks."""

import pytest
from django.db import connection

from agents.models import Agent
from contacts import records
from conversations import turns
from conversations.asks import Ask
from conversations.models import Conversation


@pytest.mark.parametrize("name", [None, "order-1"])
def test_a_conversation_begins_without_a_contact_that_is_deleted_meanwhile(
    agent: Agent, name: str | None
) -> None:
    (ann,) = records.upsert(agent, [{"external_id": "ann"}])
    ask = Ask(agent=agent, text="Hello?", external_id=name, contact_id=ann.pk)
    records.delete(ann)
    turn = turns.begin(ask, lease_owner="a process")
    connection.check_constraints()
    assert Conversation.objects.get(pk=turn.conversation_id).contact is None
