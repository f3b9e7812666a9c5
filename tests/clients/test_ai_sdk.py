"""The real `ai` packages, 5, 6 and 7, against the real server. Contract §5.3."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents import engines
from agents.engine import base
from agents.models import Action
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked
from conversations.models import Conversation, Message, ToolCall
from conversations.ui_messages import UIMessageStream
from tests.clients import node
from tests.conversations.conftest import Shop, make_shop
from tests.engines import ScriptedEngine

HERE = Path(__file__).parent / "aisdk"
PROTOCOL = "protocol=ui-message"


@pytest.fixture(scope="session", params=["ai5", "ai6", "ai7"])
def package(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder in which `ai` is installed."""
    folder = tmp_path_factory.mktemp(request.param)
    node.install(HERE / request.param, folder)
    return folder


# For what depends on the server more than on the SDK.
newest_only = pytest.mark.parametrize("package", ["ai7"], indirect=True)


# --- What the SDK reads -------------------------------------------------------------


def test_the_stream_is_one_of_the_sdks(package: Path) -> None:
    words = "Zwei \u2028 Tage.\n\ndata: [DONE]\n\n\N{PARTY POPPER}"
    call = ToolCallAsked("call_a", "find_order", {"number": 7})
    finished = Finished(5, 11, 12, "anna", reason="stop", credits=1)
    called = {
        "id": "msg_11",
        "role": "assistant",
        "parts": [{"type": "step-start"}, {"type": "text", "text": "A moment."}],
    }

    def case(message_id: str | None, *events: Event, **case: Any) -> dict[str, Any]:
        encode = UIMessageStream(message_id)
        frames = [frame for event in events for frame in encode(event)]
        return {"stream": b"".join(frames).decode(), **case}

    whole, failed, *added = node.run(
        HERE / "read.mjs",
        [
            case("msg_12", Delta(""), Delta("A "), Delta(words), call, finished),
            case("msg_12", Delta("Two "), Failed("It broke off.")),
            case("msg_11", Delta("Shipped."), finished, message=called),
            case(None, Delta("Shipped."), finished, message=called),
        ],
        package,
    )

    assert whole["errors"] == []
    message = whole["message"]
    assert (message["id"], message["role"]) == ("msg_12", "assistant")
    assert message["metadata"]["conversationId"] == "5"
    assert message["metadata"]["usage"] == {"credits": 1}
    step, text, tool = message["parts"]
    assert step == {"type": "step-start"}
    assert (text["text"], text["state"]) == ("A " + words, "done")
    assert (tool["type"], tool["toolCallId"]) == ("tool-find_order", "call_a")
    assert (tool["state"], tool["input"]) == ("input-available", {"number": 7})

    assert failed["errors"] == ["It broke off."]

    for one in added:
        assert one["message"]["id"] == "msg_11"
        kinds = [part["type"] for part in one["message"]["parts"]]
        assert kinds == ["step-start", "text", "step-start", "text"]


# --- A chat with nothing but `api` and `headers` -----------------------------------


CALLS = (
    base.ToolCall("one", "find_order", {"number": 7}),
    base.ToolCall("two", "find_order", {"number": 8}),
)
SHIPPED = {"find_order": {"output": {"status": "shipped", "days": [1, 2.5, None]}}}


class Failing(ScriptedEngine):
    """Fails once, after so many words."""

    def __init__(self, words: list[str], *, after: int) -> None:
        super().__init__(words)
        self.after = after

    async def stream(self, request: base.Request) -> AsyncGenerator[base.Event, None]:
        if not self.started:
            self.started += 1
            for word in self.words[: self.after]:
                yield base.TextDelta(word)
            raise base.EngineError("unavailable", "The model is down.")
        async for event in super().stream(request):
            yield event


@dataclass
class Chat:
    """A page with a chat, and the shop whose agent it talks to."""

    package: Path
    shop: Shop

    def show(self, *steps: dict[str, Any], **options: Any) -> list[Any]:
        """Takes the steps; what the page shows after each."""
        argument = {
            "api": f"{self.shop.client.base_url.join(self.shop.path)}?{PROTOCOL}",
            "headers": self.shop.headers,
            "id": "chat-1",
            "steps": steps,
            **options,
        }
        shown: list[Any] = node.run(HERE / "chat.mjs", argument, self.package)["shown"]
        assert len(shown) == len(steps)
        return shown

    def talk(self, *steps: dict[str, Any], **options: Any) -> list[list[Any]]:
        """As above, where nothing goes wrong: the messages after each."""
        shown = self.show(*steps, **options)
        assert [(one["status"], one["error"]) for one in shown] == [
            ("ready", None)
        ] * len(shown)
        return [one["messages"] for one in shown]

    def conversation(self) -> Conversation:
        return Conversation.objects.get(agent=self.shop.agent)

    def stored(self) -> list[Message]:
        return list(self.conversation().messages.readable().order_by("id"))


MakeChat = Callable[[ScriptedEngine], Chat]


@pytest.fixture
def chat(
    package: Path, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> MakeChat:
    """With an agent that has a tool, and whose model follows a script."""

    def make(engine: ScriptedEngine) -> Chat:
        monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
        shop = make_shop(http, model="scripted")
        Action.objects.create(
            workspace_id=shop.agent.workspace_id,
            agent=shop.agent,
            name="find_order",
            description="Where an order is.",
            parameters={
                "type": "object",
                "properties": {"number": {"type": "integer"}},
                "required": ["number"],
            },
        )
        return Chat(package, shop)

    return make


def say(text: str) -> dict[str, Any]:
    return {"say": text}


def regenerate(**options: Any) -> dict[str, Any]:
    return {"regenerate": options}


def roles(messages: list[Any]) -> list[str]:
    return [message["role"] for message in messages]


def texts(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


def test_two_turns_are_one_conversation(chat: MakeChat) -> None:
    engine = ScriptedEngine(["Two ", "days."])
    page = chat(engine)
    *_, messages = page.talk(say("How long?"), say("And to Canada?"))
    assert roles(messages) == ["user", "assistant"] * 2
    conversation = page.conversation()
    assert conversation.external_id == "chat-1"
    stored = page.stored()
    said = ["How long?", "Two days.", "And to Canada?", "Two days."]
    assert [message.text for message in stored] == said
    assert [texts(message) for message in messages] == [[text] for text in said]
    for shown, kept in list(zip(messages, stored, strict=True))[1::2]:
        assert shown["id"] == shown["metadata"]["messageId"] == kept.public_id
        assert shown["metadata"]["conversationId"] == str(conversation.pk)
        assert shown["metadata"]["finishReason"] == "stop"
    assert [turn.text for turn in engine.requests[1].turns] == said[:3]


@newest_only
def test_each_user_id_has_conversations_of_its_own(chat: MakeChat) -> None:
    page = chat(ScriptedEngine(["Hello."]))
    page.talk(say("Hi"))
    page.talk(say("Hi"), say("Hi again"), body={"userId": "anna"})
    found = Conversation.objects.filter(agent=page.shop.agent).order_by("id")
    assert [(c.external_id, c.end_user, c.messages.count()) for c in found] == [
        ("chat-1", None, 2),
        ("chat-1", "anna", 4),
    ]


def test_tools_of_the_client_go_round(chat: MakeChat) -> None:
    engine = ScriptedEngine(["A moment."], calls=CALLS, then=["It has ", "shipped."])
    page = chat(engine)
    first, second = page.talk(
        say("Where is it?"), say("Thanks"), automatic=True, tools=SHIPPED
    )

    # One message of the SDK's, with a step for each of ours.
    assert roles(first) == ["user", "assistant"]
    assistant = first[1]
    asked = ["tool-find_order"] * 2
    assert [part["type"] for part in assistant["parts"]] == [
        "step-start",
        "text",
        *asked,
        "step-start",
        "text",
    ]
    assert texts(assistant) == ["A moment.", "It has shipped."]
    ran = [part for part in assistant["parts"] if part["type"] in asked]
    assert [part["input"] for part in ran] == [call.input for call in CALLS]
    output = SHIPPED["find_order"]["output"]
    assert [part["output"] for part in ran] == [output] * 2

    # Two messages of ours, and the result went to the model.
    _, called, answer, *_ = page.stored()
    assert assistant["id"] == called.public_id
    assert assistant["metadata"]["messageId"] == answer.public_id
    assert assistant["metadata"]["finishReason"] == "stop"
    assert (called.text, answer.text) == ("A moment.", "It has shipped.")
    for kept in ToolCall.objects.filter(conversation=page.conversation()):
        assert (kept.status, kept.used_by, kept.output) == ("used", answer, output)
    results = engine.requests[1].turns[-1].results
    assert [result.output for result in results] == [output] * 2

    # What is said next is a turn of its own.
    assert roles(second) == ["user", "assistant"] * 2
    assert page.stored()[3].text == "Thanks"


def test_a_result_may_go_with_the_next_message(chat: MakeChat) -> None:
    page = chat(ScriptedEngine(["A moment."], calls=CALLS[:1], then=["Shipped."]))
    first, second = page.talk(say("Where is it?"), say("Well?"), tools=SHIPPED)
    assert roles(first) == ["user", "assistant"], "nothing was sent by itself"
    assert texts(second[-1]) == ["Shipped."]
    called = ToolCall.objects.get(conversation=page.conversation())
    assert (called.status, called.output) == ("used", SHIPPED["find_order"]["output"])
    said = ["Where is it?", "A moment.", "Well?", "Shipped."]
    assert [message.text for message in page.stored()] == said


@newest_only
def test_the_model_is_told_of_a_tool_that_failed(chat: MakeChat) -> None:
    failed = {"state": "output-error", "errorText": "No such order."}
    page = chat(ScriptedEngine(["A moment."], calls=CALLS[:1], then=["I am sorry."]))
    (messages,) = page.talk(
        say("Where is it?"), automatic=True, tools={"find_order": failed}
    )
    assert texts(messages[-1]) == ["A moment.", "I am sorry."]
    called = ToolCall.objects.get(conversation=page.conversation())
    assert called.output == {"error": "No such order."}


def test_the_last_reply_is_made_anew(chat: MakeChat) -> None:
    engine = ScriptedEngine(["Two days."])
    page = chat(engine)
    _, before, after = page.talk(say("How long?"), say("And to Canada?"), regenerate())
    assert roles(after) == ["user", "assistant"] * 2
    assert after[:3] == before[:3]
    assert after[3]["id"] != before[3]["id"]
    stored = page.stored()
    assert [message.role for message in stored] == roles(after)
    assert stored[3].public_id == after[3]["id"]
    assert engine.requests[2].turns[-1].text == "And to Canada?"


def test_a_reply_is_made_anew_with_its_tools(chat: MakeChat) -> None:
    """Where it was two of ours, from the first of them on."""
    page = chat(ScriptedEngine(["A moment."], calls=CALLS[:1], then=["Shipped."]))
    before, after = page.talk(
        say("Where is it?"), regenerate(), automatic=True, tools=SHIPPED
    )
    assert roles(after) == ["user", "assistant"]
    assert texts(after[1])[-1] == "Shipped."
    assert after[1]["id"] != before[1]["id"]
    stored = page.stored()
    assert stored[1].public_id == after[1]["id"]
    assert [message.text for message in stored] == ["Where is it?", *texts(after[1])]


@newest_only
def test_an_earlier_reply_is_made_anew(chat: MakeChat) -> None:
    page = chat(ScriptedEngine(["Two days."]))
    page.talk(say("How long?"), say("And to Canada?"))
    first, _, second, _ = page.stored()
    # The page knows the reply by its id, and its own message by an id of its own.
    for target in ({"messageId": page.stored()[1].public_id}, {"messageId": "mine"}):
        history = [
            {"id": "mine", "role": "user", "parts": [{"type": "text", "text": "How?"}]},
            {"id": page.stored()[1].public_id, "role": "assistant", "parts": []},
        ]
        (messages,) = page.talk(regenerate(**target), messages=history)
        assert roles(messages) == ["user", "assistant"]
        stored = page.stored()
        assert [message.pk for message in stored][:1] == [first.pk]
        assert len(stored) == 2, "what came after it is gone"
        assert stored[1].public_id == messages[1]["id"]
        assert second not in stored


@pytest.mark.parametrize("words", [0, 1])
def test_after_a_failure_it_is_tried_again(chat: MakeChat, words: int) -> None:
    page = chat(Failing(["Two ", "days."], after=words))
    failed, after = page.show(say("How long?"), regenerate())
    assert failed["status"] == "error"
    assert "could not be completed" in failed["error"]
    assert (after["status"], after["error"]) == ("ready", None)
    assert roles(after["messages"]) == ["user", "assistant"]
    assert texts(after["messages"][1]) == ["Two days."]
    assert page.stored()[-1].public_id == after["messages"][1]["id"]


@newest_only
def test_a_message_that_never_arrived_is_sent_again(chat: MakeChat) -> None:
    page = chat(ScriptedEngine(["Two days."]))
    unsent = {"id": "x", "role": "user", "parts": [{"type": "text", "text": "How?"}]}
    (messages,) = page.talk(regenerate(), messages=[unsent])
    assert roles(messages) == ["user", "assistant"]
    assert [message.text for message in page.stored()] == ["How?", "Two days."]


@newest_only
def test_a_refusal_reaches_the_page(chat: MakeChat) -> None:
    page = chat(ScriptedEngine(["Hello."]))
    page.shop.key.revoke()
    (shown,) = page.show(say("Hi"))
    assert shown["status"] == "error"
    assert "AUTH_INVALID_API_KEY" in shown["error"]


def test_where_people_have_taken_over_no_empty_message_is_shown(
    chat: MakeChat,
) -> None:
    page = chat(ScriptedEngine(["Hello."]))
    page.talk(say("Hi"))
    Conversation.objects.filter(agent=page.shop.agent).update(status="escalated")
    (messages,) = page.talk(say("Is a person there?"))
    assert roles(messages) == ["user"]
    assert page.stored()[-1].text == "Is a person there?"
