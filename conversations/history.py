"""What an engine is told of a conversation."""

from django.db.models import Q

from agents.engine import base
from conversations.models import (
    Conversation,
    Message,
    MessageRole,
    ToolCall,
    ToolCallStatus,
)

ROLES: dict[str, base.Role] = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.SYSTEM: "system",
}
MOST = 20  # messages of the conversation


def history_of(
    conversation: Conversation, *, before: Message | None
) -> list[base.Turn]:
    """The newest turns, oldest first, each call of a tool with its result."""
    said = conversation.messages.visible().filter(
        ~Q(text="") | Q(finish_reason="tool_calls")
    )
    if before is not None:
        said = said.filter(pk__lt=before.pk)
    rows = list(
        said.order_by("-id").values_list("id", "role", "text", "finish_reason")[:MOST]
    )
    answered = _answered([pk for pk, _, _, reason in rows if reason == "tool_calls"])
    turns: list[base.Turn] = []
    for pk, role, text, _ in reversed(rows):
        made = answered.get(pk, [])
        if text or made:
            turns.append(
                base.Turn(
                    ROLES[role],
                    text,
                    calls=tuple(
                        base.ToolCall(one.call_id, one.name, one.input) for one in made
                    ),
                )
            )
        if made:
            results = (
                base.ToolResult(one.call_id, one.name, one.output) for one in made
            )
            turns.append(base.Turn("tool", "", results=tuple(results)))
    return turns


def _answered(message_ids: list[int]) -> dict[int, list[ToolCall]]:
    """The calls of these replies that have a result; a model is told of no others."""
    if not message_ids:
        return {}
    found: dict[int, list[ToolCall]] = {}
    for call in ToolCall.objects.filter(
        message__in=message_ids,
        status__in=(ToolCallStatus.SUBMITTED, ToolCallStatus.USED),
    ).order_by("id"):
        found.setdefault(call.message_id, []).append(call)
    return found
