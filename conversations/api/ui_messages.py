"""What a chat of the Vercel AI SDK asks for, of the conversation that it names."""

from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.api.errors import RetryMessageNotFound
from conversations.models import Conversation, Message, MessageRole, ReplyStatus
from conversations.turns import Ask
from conversations.ui_messages import Posted


def ask(posted: Posted, *, agent: Agent, api_key: ApiKey) -> Ask:
    """Raises RetryMessageNotFound where there is nothing to make anew."""
    target = _to_regenerate(posted, agent) if posted.regenerate else None
    if target is not None:
        return Ask(
            agent=agent,
            conversation_id=target.conversation_id,
            retry_of=target.pk,
            api_key=api_key,
        )
    return Ask(
        agent=agent,
        text=posted.text,
        external_id=posted.chat_id,
        end_user=posted.user_id,
        api_key=api_key,
        results=posted.results,
    )


def goes_on(message_id: int) -> bool:
    """Whether the reply goes on in the message of an earlier one, whose tools' results
    it was made with."""
    reply = Message.objects.get(pk=message_id)
    if reply.replaces_id is not None or reply.answers_id is None:
        return False
    earlier = Message.objects.visible().filter(
        role=MessageRole.ASSISTANT, answers=reply.answers_id, pk__lt=reply.pk
    )
    return earlier.exists()


def _to_regenerate(posted: Posted, agent: Agent) -> Message | None:
    """The reply to make anew. None where the user's message has never arrived, or no
    reply came of it: a chat then regenerates in order to send it once more."""
    conversation = (
        Conversation.objects.for_workspace(agent.workspace_id)
        .filter(agent=agent, end_user=posted.user_id, external_id=posted.chat_id)
        .first()
    )
    if conversation is None:
        if posted.regenerated is not None:
            raise RetryMessageNotFound
        return None
    said = conversation.messages.visible()
    replies = said.filter(role=MessageRole.ASSISTANT).order_by("pk")
    if posted.regenerated is not None:
        target = replies.filter(pk=posted.regenerated).first()
    else:
        target = replies.filter(pk__gt=posted.known or 0).first()
    if target is not None:
        return None if target.status == ReplyStatus.FAILED else target
    if posted.regenerated is not None or said.filter(pk__gt=posted.known or 0).exists():
        raise RetryMessageNotFound
    return None
