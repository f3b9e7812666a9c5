"""Which conversations an agent has, and which models there are; whoever asks for
another one is told the same."""

from agents import engines
from agents.models import Agent
from bookbag.api.errors import ConversationNotFound, InvalidBody
from bookbag.api.fields import parse_path_id
from bookbag.tenancy import TenantQuerySet
from conversations.models import Conversation


def conversations_of(agent: Agent) -> TenantQuerySet[Conversation]:
    """The agent's own."""
    return Conversation.objects.for_workspace(agent.workspace_id).filter(agent=agent)


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
