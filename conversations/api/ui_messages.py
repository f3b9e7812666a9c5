"""`?protocol=ui-message`: replies in the words of the Vercel AI SDK, and what its chats
ask for, of the conversation that they name."""

from typing import Any

from django.http import StreamingHttpResponse

from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.api import query
from bookbag.api.errors import RetryMessageNotFound
from bookbag.api.parsers import ApiRequest
from conversations import ui_messages
from conversations.access import conversations_of
from conversations.api import chat
from conversations.asks import Ask
from conversations.models import Message, MessageRole
from conversations.resume import Replay
from conversations.runs import Run
from conversations.ui_messages import Posted, UIMessageStream

PROTOCOL = "ui-message"


class ReplyView(chat.ReplyView):
    """A reply that can be had in the SDK's words."""

    in_ui_messages = False
    # The SDK's message that the reply is: a new one, or that to which it is added.
    goes_on = False
    ui_message_id: str | None = None

    def read(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:
        super().read(request, *args, **kwargs)
        self.in_ui_messages = bool(query.choice(request, "protocol", [PROTOCOL]))

    def ui_encoder(self) -> chat.Encoder:
        return UIMessageStream(self.ui_message_id)

    def stream(
        self, run: Run | Replay, *, key_id: int | None, after: int = 0
    ) -> StreamingHttpResponse:
        if not self.goes_on and run.ids.message is not None:
            self.ui_message_id = f"msg_{run.ids.message}"
        response = super().stream(run, key_id=key_id, after=after)
        if self.in_ui_messages:
            response[ui_messages.HEADER] = ui_messages.VERSION
        return response


class ChatView(ReplyView, chat.ChatView):
    """Takes the SDK's body, too."""

    def read_ask(self, request: ApiRequest, agent: Agent) -> None:
        asked_for = request.query_params.get("protocol") == PROTOCOL
        if not asked_for or not ui_messages.is_posted(request.data):
            super().read_ask(request, agent)
            self.goes_on = self.ask.text is None
            return
        posted = ui_messages.read(
            request.data, max_length=chat.MAX_MESSAGE, max_output=chat.MAX_OUTPUT
        )
        self.is_streamed = True
        self.goes_on, self.ui_message_id = posted.text is None, posted.goes_on
        if self.done is None:  # else what it refers to may have changed since
            self.ask = ask(posted, agent=agent, api_key=request.auth)


class ResumeView(ReplyView, chat.ResumeView):
    def read(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:
        super().read(request, *args, **kwargs)
        self.goes_on = goes_on(self.message_pk)


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
    """The reply to make anew. None where the user's message has never arrived: a chat
    then regenerates in order to send it once more."""
    conversation = (
        conversations_of(agent)
        .filter(end_user=posted.user_id, external_id=posted.chat_id)
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
        return target
    if posted.regenerated is not None or said.filter(pk__gt=posted.known or 0).exists():
        raise RetryMessageNotFound
    return None
