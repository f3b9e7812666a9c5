"""How a conversation begins, with the first turn in it, and whose it becomes."""

from django.db import IntegrityError, transaction

from apikeys.models import Environment
from bookbag.api.errors import ConversationNotFound
from conversations.asks import Ask
from conversations.locks import for_update
from conversations.models import Conversation

TITLE_LENGTH = 80


def conversation_of(ask: Ask) -> tuple[Conversation, bool]:
    """The conversation, locked, and whether it has just begun."""
    own = for_update().filter(workspace=ask.agent.workspace_id, agent=ask.agent)
    if ask.conversation_id is not None:
        found = own.filter(pk=ask.conversation_id).first()
        if found is None:
            raise ConversationNotFound
        return found, False
    if ask.external_id is None:
        return _new_conversation(ask), True
    named = own.filter(end_user=ask.end_user, external_id=ask.external_id)
    if found := named.first():
        return found, False
    try:
        with transaction.atomic():
            return _new_conversation(ask), True
    except IntegrityError:  # somebody else has begun it just now
        if found := named.first():
            return found, False
        raise


def recognise(conversation: Conversation, ask: Ask) -> list[str]:
    """Makes it the contact's whom the caller has come to know since it began; which
    fields that has changed. Whoever is known already stays."""
    if conversation.contact_id is not None or (contact_id := _contact(ask)) is None:
        return []
    conversation.contact_id = contact_id
    # A conversation with a name is found by name and user.
    if conversation.end_user is None and conversation.external_id is None:
        conversation.end_user = ask.end_user
    return ["contact", "end_user"]


def title_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"


def _new_conversation(ask: Ask) -> Conversation:
    key = ask.api_key
    return Conversation.objects.create(
        workspace_id=ask.agent.workspace_id,
        agent=ask.agent,
        end_user=ask.end_user,
        contact_id=_contact(ask),
        external_id=ask.external_id,
        api_key=key,
        channel=ask.channel,
        is_test=key is not None and key.environment == Environment.TEST,
        title=title_of(ask.text or ""),
    )


def _contact(ask: Ask) -> int | None:
    """None where somebody has deleted it since; nobody does from here on."""
    if ask.contact_id is None:
        return None
    contacts = ask.agent.contacts.select_for_update(no_key=True)
    found = contacts.filter(pk=ask.contact_id).values_list("pk", flat=True)
    return found.first()
