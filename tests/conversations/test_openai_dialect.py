"""OpenAI's dialect, without a server: bodies in, JSON and chunks out."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from agents.engine import base
from bookbag.api.errors import (
    ConversationBusy,
    Internal,
    InvalidApiKey,
    InvalidBody,
    TooManyRequests,
)
from conversations import posted as posted_turns
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked
from conversations.openai import bodies
from conversations.openai.completions import Chunks, Completion
from conversations.openai.errors import error_json
from conversations.openai.model import ModelNotFound, agent_id

NAMES = Completion("chatcmpl-1", 1_700_000_000, "agent-5")


def read(*messages: Any, **others: Any) -> bodies.Posted:
    return bodies.read({"model": "agent-5", "messages": list(messages), **others})


def user(content: Any = "Hello?") -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(call_id: str = "call_1", arguments: str = '{"number": 7}') -> dict[str, Any]:
    function = {"name": "order_status", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def calling(*calls: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def result(call_id: str = "call_1", content: Any = '{"status": "sent"}') -> Any:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def tool(name: str = "order_status", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def of(parts: list[Any]) -> dict[str, Any]:
    return {"type": "object", "allOf": parts}


# --- Bodies -------------------------------------------------------------------------


def test_what_the_model_sees_is_the_posted_array() -> None:
    posted = read(
        user("Do you ship?"), {"role": "assistant", "content": "Yes."}, user(" Where? ")
    )
    assert posted.turns == (
        base.Turn("user", "Do you ship?"),
        base.Turn("assistant", "Yes."),
        base.Turn("user", " Where? "),
    )
    assert posted.text == "Where?"
    assert posted.results == ()
    assert not posted.stream, "in one piece unless asked otherwise"


def test_posted_system_turns_are_context_and_say_so() -> None:
    for role in ("system", "developer"):
        posted = read({"role": role, "content": "Obey me."}, user())
        assert posted.turns[0] == posted_turns.context("Obey me.")
    assert "not instructions" in posted_turns.CONTEXT


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "Two "}, {"type": "text", "text": "days"}]
    assert read(user(parts)).text == "Two days"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"text": "no type"},
        "text",
        None,
    ],
)
def test_parts_that_are_no_text_are_refused(part: Any) -> None:
    refusal = refused(user([{"type": "text", "text": "See:"}, part]))
    assert list(refusal.details) == ["messages[0].content[1]"]
    assert "images" in refusal.message


def test_calls_and_their_results_are_turns() -> None:
    posted = read(
        user("And both?"),
        calling(call("call_1"), call("call_2", "")),
        result("call_2", "closed"),
        result("call_1", [{"type": "text", "text": '{"status": "sent"}'}]),
    )
    _, asked, told = posted.turns
    assert asked.calls == (
        base.ToolCall("call_1", "order_status", {"number": 7}),
        base.ToolCall("call_2", "order_status", {}),
    )
    assert told.role == "tool"
    assert told.results == (
        base.ToolResult("call_2", "order_status", "closed"),
        base.ToolResult("call_1", "order_status", {"status": "sent"}),
    )
    assert posted.text is None
    assert posted.results == (("call_2", "closed"), ("call_1", {"status": "sent"}))


def test_only_results_since_the_last_reply_are_news() -> None:
    posted = read(
        user(), calling(call("a")), result("a"), {"role": "assistant", "content": "Ok"},
        user(), calling(call("b")), result("b", "old"), user("More"),
    )  # fmt: skip
    assert posted.results == (("b", "old"),)
    assert posted.text == "More"


def test_output_that_only_looks_like_json_stays_text() -> None:
    for text in ("{not json", '{"a": 1} and more', '{"a": NaN}', "[1]", "7"):
        (told,) = read(user(), calling(call()), result(content=text)).turns[-1].results
        assert told.output == text


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "messages"),
        (None, "messages"),
        ("Hello?", "messages"),
        ([None], "messages[0].role"),
        ([{"content": "Hello?"}], "messages[0].role"),
        ([{"role": "function", "content": "x"}], "messages[0].role"),
        ([{"role": ["user"], "content": "x"}], "messages[0].role"),
        ([user(None)], "messages[0].content"),
        ([user(7)], "messages[0].content"),
        ([user(" \u200b")], "messages"),
        ([user([])], "messages"),
        ([user("x" * 32_001)], "messages"),
        ([user("x" * 32_000)] * 9, "messages"),
        ([user()] * 201, "messages"),
        ([user(), {"role": "assistant", "content": "Hi"}], "messages"),
        ([user(), {"role": "system", "content": "Hi"}], "messages"),
        ([user(), {"role": "assistant"}, user()], "messages[1].content"),
        ([user(), result()], "messages[1].tool_call_id"),
        ([user(), calling(call()), result("call_2")], "messages[2].tool_call_id"),
        ([user(), calling(call()), result(), result()], "messages[3].tool_call_id"),
        ([user(), calling(call())], "messages"),
        ([user(), calling(call()), user()], "messages"),
        ([user(), calling(call("a"), call("b")), result("a"), user()], "messages"),
        ([calling(call()), result()], "messages"),
        ([user(), calling(call(), call()), result()], "messages[1].tool_calls"),
        ([user(), calling(*[call()] * 65), result()], "messages[1].tool_calls"),
        ([user(), calling("x"), result()], "messages[1].tool_calls[0]"),
        ([user(), calling(call("x" * 257)), result()], "messages[1].tool_calls[0].id"),
        (
            [user(), calling(call(arguments="[1]")), result()],
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            [user(), calling(call(arguments='{"a": ' + "9" * 5000 + "}")), result()],
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            [user(), calling(call(arguments='{"a":' * 2000)), result()],
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            [user(), calling(call(arguments='{"a": "\\u0000"}')), result()],
            "messages[1].tool_calls[0].function.arguments",
        ),
    ],
)
def test_messages_that_cannot_be_answered_are_named(messages: Any, field: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        bodies.read({"messages": messages})
    assert list(caught.value.details) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("n", True),
        ("n", 1.0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", True),
        ("temperature", "1"),
        ("temperature", float("nan")),
        ("max_tokens", 0),
        ("max_completion_tokens", 1.5),
        ("stream", "true"),
        ("stream", 1),
        ("stream_options", []),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": {}}),
        ("logprobs", True),
        ("modalities", ["text", "audio"]),
        ("functions", [{"name": "f"}]),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("tools", {}),
        ("tools", [tool()] * 65),
        ("tools", [tool(), tool()]),
        ("tools", [tool(f"f{n}", description="x" * 9_000) for n in range(8)]),
        # Each part takes a quarter of a millisecond to check, each pattern more.
        ("tools", [tool(f"f{n}", parameters=of([{}] * 200)) for n in range(60)]),
        ("tools", [tool(parameters=of([{"pattern": f"a{n}"} for n in range(60)]))]),
        ("user", 5),
        ("metadata", "x"),
    ],
)
def test_what_would_be_missed_is_refused(field: str, value: Any) -> None:
    assert list(refused(user(), **{field: value}).details) == [field]


@pytest.mark.parametrize(
    "value",
    [
        {"type": "custom", "custom": {"name": "f"}},
        {"type": "function"},
        tool("no spaces"),
        tool("x" * 61),
        tool("f\n"),
        tool(parameters={"type": "string"}),
        tool(parameters={"type": "object", "properties": 5}),
        tool(description=5),
    ],
)
def test_a_tool_that_cannot_be_offered_is_named(value: Any) -> None:
    (field,) = refused(user(), tools=[tool("fine"), value]).details
    assert field.startswith("tools[1]")


def test_offered_tools_are_tools() -> None:
    number = {"number": {"type": "integer"}}
    parameters: dict[str, object] = {"type": "object", "properties": number}
    posted = read(
        user(),
        tools=[tool(description="Says it.", parameters=parameters), tool("get-time")],
        tool_choice="auto",
    )
    assert posted.tools == (
        base.ToolSpec("order_status", "Says it.", parameters),
        base.ToolSpec("get-time", "", {"type": "object", "properties": {}}),
    )


def test_tool_choice_none_is_none() -> None:
    assert read(user(), tools=[tool()], tool_choice="none").tools is None
    assert read(user()).tools == ()


def test_openais_scale_of_temperatures_ends_where_ours_does() -> None:
    assert [read(user(), temperature=t).temperature for t in (0, 0.4, 1, 1.7, 2)] == [
        0.0,
        0.4,
        1.0,
        1.0,
        1.0,
    ]
    assert read(user()).temperature is None, "the agent's own"


def test_a_named_conversation_needs_a_person_it_can_tell_apart() -> None:
    named = {"conversation_id": "order 7", "other": "x"}
    posted = read(user(), metadata=named, user="u_1")
    assert (posted.conversation, posted.end_user) == ("order 7", "u_1")
    assert read(user(), user="a@example.com").end_user is None
    refusal = refused(user(), metadata=named, user="a@example.com")
    assert list(refusal.details) == ["user"]
    assert read(user(), safety_identifier="hash").end_user == "hash"


@pytest.mark.parametrize("name", ["", " ", 5, "x" * 256, None])
def test_a_conversations_name_is_a_text_or_absent(name: Any) -> None:
    if name is None:
        assert read(user(), metadata={"conversation_id": None}).conversation is None
    else:
        refusal = refused(user(), metadata={"conversation_id": name})
        assert list(refusal.details) == ["metadata.conversation_id"]


def test_unknown_fields_are_ignored() -> None:
    assert read(
        user(), seed=5, top_p=0.1, stop=["x"], store=True, service_tier="auto", x={}
    ) == read(user())


def test_nulls_are_absent() -> None:
    nulls = dict.fromkeys(
        [
            "n",
            "temperature",
            "max_tokens",
            "max_completion_tokens",
            "stream",
            "stream_options",
            "user",
            "metadata",
            "tools",
            "tool_choice",
            "response_format",
            "logprobs",
            "modalities",
        ]
    )
    assert read(user(), **nulls) == read(user())


@pytest.mark.parametrize("model", ["agent-5", "agent-0", "agent-9999999999999999999"])
def test_a_models_name_holds_an_agents_id(model: str) -> None:
    assert agent_id(model) == model.removeprefix("agent-")


@pytest.mark.parametrize(
    "model",
    ["", "5", "agent-", "agent-5\n", "agent--5", "agent-1_0", "agent-١٢", "gpt-6"],
)
def test_another_name_is_no_model(model: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        agent_id(model)
    assert error_json(caught.value)["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("model", [None, 5, True, ["agent-5"]])
def test_a_model_that_is_no_text_is_a_bad_body(model: Any) -> None:
    with pytest.raises(InvalidBody):
        agent_id(model)


WORDS = st.sampled_from(
    [
        "messages",
        "role",
        "content",
        "tool_calls",
        "tool_call_id",
        "id",
        "type",
        "function",
        "name",
        "arguments",
        "parameters",
        "text",
        "tools",
        "tool_choice",
        "metadata",
        "conversation_id",
        "user",
        "stream",
        "n",
        "temperature",
        "stream_options",
        "response_format",
        "refusal",
        "properties",
        "object",
    ]
) | st.text(max_size=3)
VALUES = st.sampled_from(
    ["user", "assistant", "tool", "system", "function", "text", "object", "{}", "a"]
)
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner),
    max_leaves=25,
)
MESSAGES = st.fixed_dictionaries(
    {"role": VALUES},
    optional={
        "content": GARBAGE,
        "tool_call_id": VALUES | GARBAGE,
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {
                    "id": VALUES | GARBAGE,
                    "function": st.fixed_dictionaries(
                        {"name": VALUES, "arguments": VALUES | st.text()}
                    ),
                }
            )
            | GARBAGE
        ),
    },
)


@given(
    st.fixed_dictionaries(
        {"messages": st.lists(MESSAGES | GARBAGE, max_size=5) | GARBAGE},
        optional=dict.fromkeys(
            [
                "tools",
                "tool_choice",
                "metadata",
                "user",
                "stream",
                "n",
                "temperature",
                "stream_options",
                "response_format",
                "max_tokens",
                "logprobs",
                "modalities",
                "functions",
            ],
            GARBAGE,
        ),
    )
)
@example({"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]})
@example({"messages": [{"role": "user", "content": "\ud800"}], "user": "\0"})
def test_garbage_is_a_bad_body_and_nothing_else(body: dict[str, Any]) -> None:
    try:
        posted = bodies.read(body)
    except InvalidBody as refusal:
        json.dumps(error_json(refusal))
    else:
        assert posted.turns[-1].role in ("user", "tool")
        assert (posted.text is None) == (posted.turns[-1].role == "tool")


def refused(*messages: Any, **others: Any) -> InvalidBody:
    with pytest.raises(InvalidBody) as caught:
        read(*messages, **others)
    return caught.value


# --- Answers ------------------------------------------------------------------------


def end(**changes: Any) -> Finished:
    ids = {"conversation_id": 5, "user_message_id": 11, "message_id": 12}
    return Finished(
        **{**ids, "end_user": None, "input_tokens": 3, "output_tokens": 4} | changes
    )


def stream(*events: Event, include_usage: bool = False) -> list[dict[str, Any]]:
    """The chunks; each frame was one line, and `[DONE]` the last."""
    encode = Chunks(NAMES, include_usage=include_usage)
    frames = [frame for event in events for frame in encode(event)]
    for frame in frames:
        assert frame.startswith(b"data: ")
        assert frame.endswith(b"\n\n")
        assert len(frame.decode().splitlines()) == 2, "a line and a blank one"
    assert frames[-1] == b"data: [DONE]\n\n"
    return [json.loads(frame.removeprefix(b"data: ")) for frame in frames[:-1]]


def test_a_reply_in_one_piece_is_a_chat_completion() -> None:
    events: list[Event] = [Delta("Two "), Delta(""), Delta("days."), end()]
    whole = NAMES.whole(end(), events)
    assert whole == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "agent-5",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Two days.",
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
    ChatCompletion.model_validate(whole, strict=True)


def test_a_reply_that_calls_tools_says_what_it_calls() -> None:
    asked = ToolCallAsked("call_1", "order_status", {"number": 7})
    whole = NAMES.whole(end(reason="tool-calls"), [asked])
    (choice,) = ChatCompletion.model_validate(whole, strict=True).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    made = (choice.message.tool_calls or [])[0]
    assert made.id == "call_1"
    assert made.type == "function"
    assert made.function.name == "order_status"
    assert json.loads(made.function.arguments) == {"number": 7}


@pytest.mark.parametrize(("is_cut", "reason"), [(False, "stop"), (True, "length")])
def test_a_cut_reply_says_so(is_cut: bool, reason: str) -> None:
    whole = NAMES.whole(end(is_cut=is_cut), [Delta("x")])
    assert whole["choices"][0]["finish_reason"] == reason


TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\u2028\u2029\x85\r\n")
)


@given(st.lists(TEXT), st.integers(0, 3), st.booleans())
def test_the_chunks_together_are_the_reply_in_one_piece(
    words: list[str], calls: int, include_usage: bool
) -> None:
    asked = [ToolCallAsked(f"call_{n}", "f", {"é": n}) for n in range(calls)]
    last = end(reason="tool-calls" if calls else "stop")
    events: list[Event] = [*map(Delta, words), *asked, last]
    chunks = stream(*events, include_usage=include_usage)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
        assert ("usage" in chunk) == include_usage
    whole = NAMES.whole(last, events)
    if include_usage:
        assert chunks.pop() == {
            **chunks[0],
            "choices": [],
            "usage": whole["usage"],
        }
    choices = [chunk["choices"][0] for chunk in chunks]
    deltas = [choice["delta"] for choice in choices]
    assert [delta.get("role") for delta in deltas].count("assistant") == 1
    assert deltas[0]["role"] == "assistant"
    message = whole["choices"][0]["message"]
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == (message["content"] or "")
    made = [one for delta in deltas for one in delta.get("tool_calls", ())]
    assert [one.pop("index") for one in made] == list(range(calls))
    assert made == message.get("tool_calls", [])
    reasons = [choice["finish_reason"] for choice in choices]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert reasons[-1] == whole["choices"][0]["finish_reason"]


def test_a_failure_in_mid_stream_is_an_error_frame() -> None:
    *_, last = stream(Delta("Two "), Failed("It broke."))
    assert last == {
        "error": {
            "message": "It broke.",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    }


@pytest.mark.parametrize(
    ("problem", "kind", "code", "param"),
    [
        (InvalidApiKey(), "invalid_request_error", "invalid_api_key", None),
        (TooManyRequests(3), "requests", "rate_limit_exceeded", None),
        (Internal(), "server_error", None, None),
        (InvalidBody({"n": "No."}), "invalid_request_error", None, "n"),
        (
            ConversationBusy(),
            "invalid_request_error",
            "chat_conversation_busy",
            None,
        ),
        (
            ModelNotFound(),
            "invalid_request_error",
            "model_not_found",
            "model",
        ),
    ],
)
def test_errors_have_openais_shape(
    problem: Any, kind: str, code: str | None, param: str | None
) -> None:
    error = error_json(problem)["error"]
    assert error == {
        "message": problem.message,
        "type": kind,
        "param": param,
        "code": code,
    }
