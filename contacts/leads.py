"""Leads: details that somebody leaves with an agent, to be called back."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents.models import Agent
from bookbag.api.fields import is_blank
from contacts.models import Lead
from webhooks import outbox
from webhooks.models import EventName

NAMED = ("name", "email", "phone")  # what one is called back by

Scalar = str | int | float | bool | None
Fields = Mapping[str, Scalar]


def capture(
    agent: Agent,
    *,
    fields: Fields | None = None,
    name: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    conversation_id: int | None = None,
) -> Lead:
    """Keeps what was filled in; those are told who want to be.

    Name, email and phone are found in `fields` where they are not given beside them;
    and what is given beside them is put among them. The conversation is the agent's.
    """
    fields = fields or {}
    found = {one: found_in(fields, one) for one in NAMED}
    given = {"name": name, "email": email, "phone": phone}
    beside = {
        one: said
        for one, said in given.items()
        if said and one not in fields and said != found[one]
    }
    with transaction.atomic():
        lead = Lead.objects.create(
            workspace_id=agent.workspace_id,
            agent=agent,
            conversation_id=conversation_id,
            fields={**beside, **fields},
            **{one: given[one] or found[one] for one in NAMED},
        )
        outbox.record(agent.workspace_id, EventName.LEAD_CREATED, _told(lead))
    return lead


def found_in(fields: Fields, name: str) -> str | None:
    """What was filled in under this label, in whatever case."""
    for label, value in fields.items():
        if label.strip().casefold() == name and (text := as_text(value)):
            return text
    return None


def as_text(value: Scalar) -> str:
    """A name, an address or a number; nothing else is one."""
    if value is None or isinstance(value, bool):
        return ""
    text = str(value).strip()
    return "" if is_blank(text) else text


def _told(lead: Lead) -> dict[str, Any]:
    """What `lead.created` says; ids in both spellings."""
    conversation = lead.conversation_id and str(lead.conversation_id)
    return {
        "leadId": str(lead.pk),
        "lead_id": str(lead.pk),
        "agentId": lead.agent_id,
        "agent_id": lead.agent_id,
        "conversationId": conversation,
        "conversation_id": conversation,
        "fields": lead.fields,
    }
