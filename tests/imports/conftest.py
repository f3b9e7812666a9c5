"""A source, and what an import from it has left."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.models import Agent
from contacts.models import Contact, CustomAttribute, Lead
from conversations.models import Conversation, Message
from imports.chatbase import Chatbase
from imports.summary import Summary
from imports.transfer import Transfer, Watcher, Wish
from tests.imports.source import KEY, SmallChatbase
from workspaces.models import Workspace

Bring = Callable[..., Summary]
EVERYTHING = Wish()


@pytest.fixture
def source() -> Iterator[SmallChatbase]:
    with SmallChatbase() as source:
        yield source


@pytest.fixture
def bring(source: SmallChatbase, workspace: Workspace) -> Bring:
    """Runs an import; what would wait does not."""

    def run(
        wish: Wish = EVERYTHING, into: Workspace = workspace, *, write: bool = True
    ) -> Summary:
        client = Chatbase(source.url, KEY, sleep=lambda seconds: None)
        return Transfer(into, client, wish, watcher=Watcher(), write=write).run()

    return run


def counts_of(summary: Summary) -> dict[str, dict[str, int]]:
    """Without the noughts."""
    return {
        kind: {what: rows for what, rows in sorted(counts.items()) if rows}
        for kind, counts in summary.counts.items()
        if any(counts.values())
    }


def everything(workspace: Workspace) -> dict[str, Any]:
    """All that an import writes, without our numbers."""
    return {
        "agents": [_agent(agent) for agent in _of(workspace, Agent)],
        "attributes": [
            (
                one.agent.name,
                one.name,
                one.label,
                one.type,
                one.description,
                one.archived,
            )
            for one in _of(workspace, CustomAttribute)
        ],
        "contacts": [_contact(contact) for contact in _of(workspace, Contact)],
        "conversations": [
            _conversation(conversation) for conversation in _of(workspace, Conversation)
        ],
        "leads": [
            (one.agent.name, one.name, one.email, one.phone, one.fields, one.created_at)
            for one in _of(workspace, Lead)
        ],
    }


def _of(workspace: Workspace, model: Any) -> Any:
    return model.objects.for_workspace(workspace).order_by("pk")


def _agent(agent: Agent) -> tuple[Any, ...]:
    times = () if agent.name == "Agent shop" else (agent.created_at, agent.updated_at)
    return (agent.name, agent.instructions, agent.model, agent.status, *times)


def _contact(contact: Contact) -> tuple[Any, ...]:
    return (
        contact.agent.name,
        contact.external_id,
        contact.name,
        contact.email,
        contact.phonenumber,
        contact.stripe_accounts,
        contact.custom_attributes,
        contact.created_at,
        contact.updated_at,
    )


def _conversation(conversation: Conversation) -> tuple[Any, ...]:
    return (
        conversation.agent.name,
        conversation.external_id,
        conversation.channel,
        conversation.title,
        conversation.status,
        conversation.created_at,
        conversation.updated_at,
        [_message(message) for message in conversation.messages.order_by("pk")],
        [
            (event.seq, event.kind, event.message and event.message.text)
            for event in conversation.events.order_by("seq")
        ],
        conversation.last_seq,
    )


def _message(message: Message) -> tuple[Any, ...]:
    return (
        message.role,
        message.text,
        message.score,
        message.finish_reason,
        message.status,
        message.created_at,
        message.answers and message.answers.text,
    )
