"""OpenAI's own Python client, with nothing but its `base_url` and `api_key` set,
against the real server. Contract §5.11."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest

from agents import engines
from agents.engine import base
from agents.models import Action, Agent
from apikeys.models import ApiKey
from conversations.models import Conversation, Message
from tests.api.openapi import check_response
from tests.clients.gated import Gated
from tests.conftest import make_workspace
from tests.conversations.conftest import teach_shipping
from tests.engines import ScriptedEngine
from tests.twins import all_at_once
from usage.models import LedgerEntry

PATH = "/v1/chat/completions"


@dataclass
class Shop:
    """An agent, the client of a key that opens it, and plain HTTP beside it."""

    agent: Agent
    key: ApiKey
    secret: str
    http: httpx.Client
    clients: dict[tuple[str, int], openai.OpenAI] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return f"agent-{self.agent.pk}"

    @property
    def base_url(self) -> str:
        return str(self.http.base_url).rstrip("/") + "/v1"

    def client(self, secret: str = "", max_retries: int = 2) -> openai.OpenAI:
        """As a customer makes it; one for each key, for it takes a while."""
        kind = (secret or self.secret, max_retries)
        if kind not in self.clients:
            self.clients[kind] = openai.OpenAI(
                base_url=self.base_url, api_key=kind[0], max_retries=max_retries
            )
        return self.clients[kind]

    def ask(self, *messages: Any, **options: Any) -> Any:
        """What the client makes of it."""
        return self.client().chat.completions.create(
            model=self.model, messages=[*map(as_message, messages)], **options
        )

    def post(self, body: Any, **headers: str) -> httpx.Response:
        """Any body; the answer is held against the OpenAPI document."""
        authorization = {"Authorization": f"Bearer {self.secret}"}
        response = self.http.post(PATH, json=body, headers=authorization | headers)
        check_response(response, "POST", PATH)
        return response

    def say(self, text: str, **others: Any) -> dict[str, Any]:
        """A body for `post`."""
        return {"model": self.model, "messages": [as_message(text)], **others}

    def rows(self) -> tuple[int, int, int]:
        """Conversations, messages, ledger rows of this workspace."""
        models = (Conversation, Message, LedgerEntry)
        workspace = self.agent.workspace_id
        counts = [m.objects.filter(workspace=workspace).count() for m in models]
        return counts[0], counts[1], counts[2]


def as_message(given: Any) -> Any:
    return {"role": "user", "content": given} if isinstance(given, str) else given


MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(http: httpx.Client) -> Iterator[MakeShop]:
    made: list[Shop] = []

    def make(model: str = "embedded") -> Shop:
        workspace = make_workspace("Shop")
        agent = Agent.objects.create(workspace=workspace, name="Support", model=model)
        key, secret = ApiKey.objects.issue(workspace, label="Tests")
        made.append(Shop(agent, key, secret, http))
        return made[-1]

    yield make
    for shop in made:
        for client in shop.clients.values():
            client.close()


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    shop = make_shop()
    teach_shipping(shop.agent)
    return shop


ScriptedShop = Callable[..., tuple[Shop, ScriptedEngine]]


@pytest.fixture
def scripted(make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch) -> ScriptedShop:
    """A shop whose agent's model follows a script."""

    def make(words: list[str], **script: Any) -> tuple[Shop, ScriptedEngine]:
        engine = ScriptedEngine(words, **script)
        monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
        return make_shop("scripted"), engine

    return make


MakeGated = Callable[[list[str]], tuple[Shop, Gated]]


@pytest.fixture
def gated(make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch) -> MakeGated:
    """A shop whose agent waits before each word."""

    def make(words: list[str]) -> tuple[Shop, Gated]:
        engine = Gated(words)
        monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
        return make_shop("scripted"), engine

    return make


# --- Models -------------------------------------------------------------------------


def test_each_agent_of_the_key_is_a_model(shop: Shop) -> None:
    sibling = Agent.objects.create(workspace_id=shop.agent.workspace_id, name="Sibling")
    Agent.objects.create(
        workspace_id=shop.agent.workspace_id, name="Old", status="archived"
    )
    listed = list(shop.client().models.list())
    assert [one.id for one in listed] == [shop.model, f"agent-{sibling.pk}"]
    one = shop.client().models.retrieve(shop.model)
    assert one == listed[0]
    assert one.object == "model"
    assert one.created == int(shop.agent.created_at.timestamp())
    _, narrow = ApiKey.objects.issue(shop.agent.workspace, label="one", agent=sibling)
    assert [m.id for m in shop.client(narrow).models.list()] == [f"agent-{sibling.pk}"]


def test_models_answer_as_documented(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {shop.secret}"}
    for path in ("/v1/models", f"/v1/models/{shop.model}", "/v1/models/gpt-6"):
        check_response(shop.http.get(path, headers=headers), "GET", path)


# --- Answers ------------------------------------------------------------------------


def test_it_answers_in_one_piece(shop: Shop) -> None:
    completion = shop.ask("How long does delivery to Canada take?")
    (choice,) = completion.choices
    assert "5 to 9 business days" in choice.message.content
    assert choice.message.role == "assistant"
    assert choice.message.tool_calls is None
    assert choice.finish_reason == "stop"
    assert completion.id.startswith("chatcmpl-")
    assert completion.model == shop.model
    usage = completion.usage
    entry = LedgerEntry.objects.get(workspace=shop.agent.workspace_id)
    assert usage.prompt_tokens == entry.input_tokens > 0
    assert usage.completion_tokens == entry.output_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_it_streams(shop: Shop) -> None:
    chunks = list(
        shop.ask(
            "How long does delivery to Canada take?",
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    *words, last, usage = chunks
    assert words[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in words)
    assert "5 to 9 business days" in text
    assert len(words) > 3
    assert last.choices[0].finish_reason == "stop"
    assert usage.choices == []
    assert usage.usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_chunks_arrive_while_the_reply_is_being_made(gated: MakeGated) -> None:
    shop, engine = gated(["one ", "two ", "three"])
    engine.let.release()
    with shop.ask("Count.", stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        # The first word is here, and the engine has not finished.
        assert engine.closed == 0
        engine.let.release(2)
        rest = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(rest) == "two three"


def test_the_clients_own_accumulator_understands_the_stream(
    scripted: ScriptedShop,
) -> None:
    call = base.ToolCall("c", "order_status", {"number": 7})
    shop, _ = scripted(["Let me see. "], calls=[call])
    with shop.client().chat.completions.stream(
        model=shop.model,
        messages=[{"role": "user", "content": "Where is order 7?"}],
        tools=[ORDER_STATUS],  # type: ignore[list-item]
    ) as stream:
        stream.until_done()
        completion = stream.get_final_completion()
    (choice,) = completion.choices
    assert choice.message.content == "Let me see. "
    assert choice.finish_reason == "tool_calls"
    (made,) = choice.message.tool_calls or ()
    assert json.loads(made.function.arguments) == {"number": 7}


async def ask_asynchronously(shop: Shop, question: str) -> str:
    async with openai.AsyncOpenAI(
        base_url=shop.base_url, api_key=shop.secret
    ) as client:
        stream = await client.chat.completions.create(
            model=shop.model,
            messages=[{"role": "user", "content": question}],
            stream=True,
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream])


def test_the_asynchronous_client_does_as_well(shop: Shop) -> None:
    assert "5 to 9" in asyncio.run(
        ask_asynchronously(shop, "How long does delivery to Canada take?")
    )


def test_the_model_sees_the_posted_array(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["ok"])
    shop.ask(
        {"role": "system", "content": "You are a pirate."},
        "First",
        {"role": "assistant", "content": "Invented by the caller."},
        {"role": "user", "content": [{"type": "text", "text": "Second"}]},
    )
    (request,) = engine.requests
    assert [(turn.role, turn.text.rpartition("\n")[2]) for turn in request.turns] == [
        ("context", "You are a pirate."),
        ("user", "First"),
        ("assistant", "Invented by the caller."),
        ("user", "Second"),
    ]
    assert request.instructions == shop.agent.instructions


def test_temperature_is_the_callers_or_the_agents(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["ok"])
    Agent.objects.filter(pk=shop.agent.pk).update(temperature=0.2)
    shop.ask("a")
    shop.ask("b", temperature=0.9)
    shop.ask("c", temperature=1.8)
    assert [one.temperature for one in engine.requests] == [0.2, 0.9, 1.0]


# --- What is stored -----------------------------------------------------------------


def test_an_unnamed_conversation_stores_nothing_but_what_it_cost(shop: Shop) -> None:
    shop.ask("Do you ship to Canada?", user="u_1")
    list(shop.ask("Do you ship to Canada?", stream=True))
    assert shop.rows() == (0, 0, 2)
    entry = LedgerEntry.objects.filter(workspace=shop.agent.workspace_id)[0]
    assert entry.credits == 1
    assert entry.api_key_id == shop.key.pk
    assert entry.message_id is None


def test_a_named_conversation_is_stored_once(shop: Shop) -> None:
    name = {"conversation_id": "order 7"}
    first = "Do you ship to Canada?"
    answer = shop.ask(first, user="u_1", metadata=name).choices[0].message
    chunks = list(
        shop.ask(
            {"role": "system", "content": "Be brief."},
            first,
            {"role": "assistant", "content": answer.content},
            "How long does delivery to Canada take?",
            user="u_1",
            metadata=name,
            stream=True,
        )
    )
    conversation = Conversation.objects.get(workspace=shop.agent.workspace_id)
    assert conversation.external_id == "order 7"
    assert conversation.end_user == "u_1"
    stored = conversation.messages.order_by("id")
    assert [(m.role, m.status) for m in stored] == [
        ("user", "complete"),
        ("assistant", "complete"),
    ] * 2
    assert stored[0].text == first
    assert stored[1].text == answer.content
    assert stored[2].text == "How long does delivery to Canada take?"
    assert stored[3].text == "".join(c.choices[0].delta.content or "" for c in chunks)
    assert chunks[0].id == f"chatcmpl-msg_{stored[3].pk}"
    assert shop.rows() == (1, 4, 2)


def test_conversations_of_one_name_are_each_users_own(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    name = {"conversation_id": "mine"}
    shop.ask("a", user="u_1", metadata=name)
    shop.ask("b", user="u_2", metadata=name)
    assert shop.rows() == (2, 4, 2)


def test_a_kept_stream_names_what_it_keeps(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    body = shop.say("hi", stream=True)
    kept = shop.post(body | {"metadata": {"conversation_id": "x"}})
    reply = Message.objects.get(workspace=shop.agent.workspace_id, role="assistant")
    assert kept.headers["x-message-id"] == reply.public_id
    assert kept.headers["x-conversation-id"] == str(reply.conversation_id)
    assert "x-message-id" not in shop.post(body).headers


def test_where_people_have_taken_over_the_bot_is_silent(shop: Shop) -> None:
    name = {"conversation_id": "x"}
    shop.ask("Do you ship to Canada?", metadata=name)
    conversation = Conversation.objects.get(workspace=shop.agent.workspace_id)
    Conversation.objects.filter(pk=conversation.pk).update(status="escalated")
    (choice,) = shop.ask("Hello?", metadata=name).choices
    assert choice.message.content == ""
    assert choice.finish_reason == "stop"
    assert conversation.messages.order_by("-id")[0].text == "Hello?"


# --- Tools --------------------------------------------------------------------------

ORDER_STATUS: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "integer"}},
            "required": ["number"],
        },
    },
}


@pytest.mark.parametrize("named", [False, True])
def test_the_callers_tool_is_called_and_its_result_used(
    scripted: ScriptedShop, named: bool
) -> None:
    call = base.ToolCall("c", "order_status", {"number": 7})
    shop, engine = scripted(["Let me see. "], calls=[call], then=["It is sent."])
    metadata = {"conversation_id": "order 7"} if named else {}
    options: dict[str, Any] = {"tools": [ORDER_STATUS], "metadata": metadata}
    asked = shop.ask("Where is order 7?", **options)
    (choice,) = asked.choices
    assert choice.finish_reason == "tool_calls"
    (made,) = choice.message.tool_calls
    assert made.function.name == "order_status"
    assert json.loads(made.function.arguments) == {"number": 7}
    answered = shop.ask(
        "Where is order 7?",
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": made.id, "content": '{"status": "sent"}'},
        **options,
    )
    assert answered.choices[0].message.content == "It is sent."
    assert answered.choices[0].finish_reason == "stop"
    told = engine.requests[-1].turns
    assert told[-2].calls == (base.ToolCall(made.id, "order_status", {"number": 7}),)
    assert told[-1].results == (
        base.ToolResult(made.id, "order_status", {"status": "sent"}),
    )
    (tool,) = engine.requests[-1].tools
    assert tool.description == "Where an order is."
    assert shop.rows() == ((1, 3, 2) if named else (0, 0, 2))


def test_results_that_are_not_awaited_are_answered_all_the_same(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["It is sent."])
    function = {"name": "order_status", "arguments": '{"number": 7}'}
    call = {"id": "call_of_another", "type": "function", "function": function}
    answered = shop.ask(
        "Where is order 7?",
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_of_another", "content": "sent"},
        metadata={"conversation_id": "new"},
    )
    assert answered.choices[0].message.content == "It is sent."
    stored = Message.objects.filter(workspace=shop.agent.workspace_id).order_by("id")
    assert [one.text for one in stored] == ["Where is order 7?", "It is sent."]


def test_the_agents_own_action_is_called_by_the_embedded_engine(shop: Shop) -> None:
    Action.objects.create(
        workspace_id=shop.agent.workspace_id,
        agent=shop.agent,
        name="order_status",
        description="Where an order is.",
        parameters=ORDER_STATUS["function"]["parameters"],
        examples=["Where is order {number}?", "Where is my order {number}?"],
        reply="Order {input.number} is {output.status}.",
    )
    question = "Where is order 7?"
    (choice,) = shop.ask(question).choices
    assert choice.finish_reason == "tool_calls"
    (made,) = choice.message.tool_calls
    assert json.loads(made.function.arguments) == {"number": 7}
    answered = shop.ask(
        question,
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": made.id, "content": '{"status": "sent"}'},
    )
    assert answered.choices[0].message.content == "Order 7 is sent."


def test_tools_are_offered_beside_the_agents_own(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["ok"])
    Action.objects.create(
        workspace_id=shop.agent.workspace_id,
        agent=shop.agent,
        name="order_status",
        description="The agent's own.",
    )
    other = {"type": "function", "function": {"name": "get_time"}}
    shop.ask("a")
    shop.ask("b", tools=[ORDER_STATUS, other])
    shop.ask("c", tools=[ORDER_STATUS, other], tool_choice="none")
    offered = [
        {tool.name: tool.description for tool in request.tools}
        for request in engine.requests
    ]
    assert offered == [
        {"order_status": "The agent's own."},
        {"order_status": "The agent's own.", "get_time": ""},
        {},
    ]


# --- The same request again -----------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("metadata", [{}, {"conversation_id": "x"}])
def test_twins_under_one_idempotency_key_get_one_answer(
    scripted: ScriptedShop, stream: bool, metadata: Any
) -> None:
    shop, engine = scripted(["It ", "takes ", "two days."], pause=0.05)
    headers = {
        "Authorization": f"Bearer {shop.secret}",
        "Idempotency-Key": "order-7",
    }
    body = shop.say("How long?", stream=stream, metadata=metadata)
    body["stream_options"] = {"include_usage": True}
    answers = all_at_once([f"{shop.base_url}/chat/completions"] * 8, body, headers)
    # Who comes while an answer that is not stored is made is told to come back.
    while len(answers) < 9 or answers[-1].status_code == 409:
        time.sleep(0.1)
        answers.append(shop.post(body, **{"Idempotency-Key": "order-7"}))
    answered = [one for one in answers if one.status_code == 200]
    refused = [one for one in answers if one.status_code != 200]
    codes = {one.json()["error"]["code"] for one in refused}
    assert codes <= (set() if metadata else {"idempotency_key_in_use"})
    assert len({one.content for one in answered}) == 1
    assert b"two days." in answered[0].content
    assert answered[-1].headers["Idempotency-Replayed"] == "true"
    assert engine.started == 1
    assert shop.rows() == ((1, 2, 1) if metadata else (0, 0, 1))
    other = shop.post(body | {"n": 1}, **{"Idempotency-Key": "order-7"})
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_key_reused"


# --- What can go wrong --------------------------------------------------------------


def test_a_wrong_key_is_an_authentication_error(shop: Shop) -> None:
    mistyped = shop.secret[:-1] + ("y" if shop.secret.endswith("x") else "x")
    for secret in ("sk-wrong", mistyped):
        with pytest.raises(openai.AuthenticationError) as caught:
            shop.client(secret).models.list()
        assert caught.value.code == "invalid_api_key"
    response = shop.http.post(PATH, json={})
    assert response.status_code == 401
    check_response(response, "POST", PATH)


def test_an_unknown_model_is_not_found(shop: Shop, make_shop: MakeShop) -> None:
    foreign = make_shop()
    archived = Agent.objects.create(
        workspace_id=shop.agent.workspace_id, name="Old", status="archived"
    )
    names = [
        "gpt-6",
        f"agent-{2**40}",
        f"agent-{2**63}",
        f"agent-{'9' * 19}",
        foreign.model,
        f"agent-{archived.pk}",
        "agent-١٢",
        f"{shop.model}\n",
    ]
    with pytest.raises(openai.NotFoundError) as caught:
        shop.client().chat.completions.create(model="gpt-6", messages=[])
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    bodies = {shop.post(shop.say("hi") | {"model": name}).content for name in names}
    assert len(bodies) == 1
    for name in names[:-2]:
        with pytest.raises(openai.NotFoundError):
            shop.client().models.retrieve(name)
    assert shop.rows() == foreign.rows() == (0, 0, 0)


def test_a_key_of_one_agent_may_not_ask_its_sibling(shop: Shop) -> None:
    sibling = Agent.objects.create(workspace_id=shop.agent.workspace_id, name="Sibling")
    _, narrow = ApiKey.objects.issue(shop.agent.workspace, label="one", agent=sibling)
    client = shop.client(narrow)
    with pytest.raises(openai.PermissionDeniedError):
        client.models.retrieve(shop.model)
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model=shop.model, messages=[])


def test_a_read_key_lists_and_does_not_ask(shop: Shop) -> None:
    _, reader = ApiKey.objects.issue(shop.agent.workspace, label="r", access="read")
    client = shop.client(reader)
    assert client.models.retrieve(shop.model).id == shop.model
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model=shop.model, messages=[])


def test_beyond_the_limit_is_a_rate_limit_error(
    scripted: ScriptedShop, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    shop, _ = scripted(["ok"])
    ApiKey.objects.filter(pk=shop.key.pk).update(rate_limit=2)
    client = shop.client(max_retries=0)
    client.models.list()
    raw = client.models.with_raw_response.list()
    assert raw.headers["x-ratelimit-remaining"] == "0"
    assert raw.headers["x-request-id"].startswith("req_")
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=shop.model, messages=[])
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_a_bad_body_names_the_field(shop: Shop) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        shop.ask("hi", n=2)
    assert caught.value.param == "n"
    assert caught.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as caught:
        shop.ask({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})
    assert caught.value.param == "messages[0].content[0]"
    assert shop.rows() == (0, 0, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model": 5}',
        b'{"model": "agent-1\\u0000"}',
        b'{"model": "agent-1", "messages": ' + b"[" * 2000,
        b'{"model": "agent-1", "n": ' + b"9" * 5000 + b"}",
        b'{"model": "agent-1", "n": NaN}',
        b'{"model": "\\ud800"}',
    ],
)
def test_what_is_no_json_is_a_bad_body(shop: Shop, body: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {shop.secret}",
        "Content-Type": "application/json",
    }
    response = shop.http.post(PATH, content=body, headers=headers)
    assert response.status_code == 400
    check_response(response, "POST", PATH)
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_unknown_paths_and_methods_answer_like_the_rest(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {shop.secret}", "Cookie": "sessionid=x"}
    for path in ("/v1/", "/v1/embeddings", "/v1/models/a/b", "/v1/chat/completions/"):
        response = shop.http.get(path, headers=headers)
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert "x-ratelimit-limit" in response.headers
        assert "set-cookie" not in response.headers
    response = shop.http.get(PATH, headers=headers)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    check_response(response, "POST", PATH)


def test_a_body_that_is_too_large_is_said_to_be(shop: Shop) -> None:
    response = shop.post({"model": shop.model, "x": "x" * 1_100_000})
    assert response.status_code == 413
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_model_that_fails_at_once_is_an_internal_error(
    scripted: ScriptedShop,
) -> None:
    error = base.EngineError("unavailable", "The wire is cut.")
    shop, _ = scripted([], error=error)
    client = shop.client(max_retries=0)
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(
                model=shop.model, messages=[as_message("hi")], stream=stream
            )
        assert caught.value.type == "server_error"
        assert "wire" not in str(caught.value)


def test_a_failure_in_mid_stream_is_raised_to_the_caller(
    scripted: ScriptedShop,
) -> None:
    error = base.EngineError("unavailable", "The wire is cut.", after_output=True)
    shop, _ = scripted(["one "], error=error)
    stream = shop.ask("Count.", stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "one "]
    with pytest.raises(openai.APIError, match="could not be completed"):
        next(stream)


def test_a_revoked_key_ends_its_stream(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["word "] * 200, pause=0.1)
    stream = shop.ask("Talk.", stream=True)
    next(stream)
    shop.key.revoke()
    with pytest.raises(openai.APIError, match="revoked"):
        list(stream)


def test_a_busy_conversation_is_a_conflict(gated: MakeGated, settings: Any) -> None:
    settings.BUSY_WAIT = 0.3
    shop, engine = gated(["a ", "b "])
    engine.let.release()
    name = {"conversation_id": "x"}
    with shop.ask("slow one", metadata=name, stream=True) as stream:
        next(iter(stream))
        with pytest.raises(openai.ConflictError) as caught:
            shop.client(max_retries=0).chat.completions.create(
                model=shop.model, messages=[as_message("me too")], metadata=name
            )
        engine.let.release()
        list(stream)
    assert caught.value.code == "chat_conversation_busy"


def test_one_name_begun_by_many_at_once_is_one_conversation(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["ok"])
    shop.client()  # one, which threads may share
    answers: list[Any] = []

    def ask() -> None:
        answers.append(shop.ask("hi", metadata={"conversation_id": "x"}))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.id for answer in answers}) == 4
    assert shop.rows() == (1, 8, 4)
