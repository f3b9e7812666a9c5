"""Which reply a retry makes anew."""

from bookbag.api.errors import RetryMessageNotFound, RetryNoUserMessage
from conversations.models import LIVE, Message, MessageRole


def target(conversation_id: int, message_id: int) -> tuple[Message, int]:
    """The reply to make anew, also one that came to nothing, and the user's message
    that it answered. Raises RetryMessageNotFound and RetryNoUserMessage."""
    shown = Message.objects.visible().filter(conversation=conversation_id)
    ended = shown.exclude(status__in=LIVE)
    reply = ended.filter(pk=message_id, role=MessageRole.ASSISTANT).first()
    if reply is None or reply.author_id is not None:
        raise RetryMessageNotFound
    asked = shown.filter(role=MessageRole.USER, pk__lt=reply.pk).order_by("-pk")
    earlier = asked.values_list("pk", flat=True)
    asked_id = earlier.filter(pk=reply.answers_id or 0).first() or earlier.first()
    if asked_id is None:
        raise RetryNoUserMessage
    return reply, asked_id
