"""Which conversations an agent has and a caller may read, and which models there are;
whoever asks for another one is told the same."""

from agents import engines
from agents.access import agents_for
from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.api.errors import ConversationNotFound, InvalidBody
from bookbag.api.fields import parse_path_id
from bookbag.tenancy import TenantQuerySet
from conversations.models import Conversation
from workspaces.models import Member


def conversations_of(agent: Agent) -> TenantQuerySet[Conversation]:
    """The agent's own."""
    return Conversation.objects.for_workspace(agent.workspace_id).filter(agent=agent)


def conversations_for(caller: ApiKey | Member) -> TenantQuerySet[Conversation]:
    """Those of all agents that this caller may speak to."""
    found: TenantQuerySet[Conversation]
    found = Conversation.objects.for_workspace(caller.workspace_id)
    return found.filter(agent__in=agents_for(caller))


def conversation_for(agent: Agent, conversation_id: str) -> Conversation:
    """The agent's conversation of this id, as a path has it. NotFound."""
    found = conversations_of(agent).filter(pk=parse_path_id(conversation_id)).first()
    if found is None:
        raise ConversationNotFound
    return found


def check_conversation(agent: Agent, conversation_id: int) -> None:
    """NotFound unless it is this agent's."""
    if not conversations_of(agent).filter(pk=conversation_id).exists():
        raise ConversationNotFound


def check_model(model: str | None) -> None:
    """InvalidBody for one that this installation does not have."""
    if model is not None and not engines.is_known(model):
        raise InvalidBody(
            {
                "model": f"There is no model called “{model}” here. Leave it out for"
                " the agent's own."
            }
        )
