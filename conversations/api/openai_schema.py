"""What the endpoints in OpenAI's dialect take and answer, for the OpenAPI document.

Written as JSON Schema: the dialect's words (`role`, `type`, `object`) mean other things
in every object, and one name of ours for each would help nobody.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
)

from bookbag.api import schema
from conversations import posted
from conversations.openai.bodies import MOST_TEMPERATURE
from conversations.openai.messages import MAX_CALLS, MAX_ID
from conversations.openai.model import model_json
from conversations.openai.tools import MAX_TOOLS, MAX_TOOLS_LENGTH

STRING = {"type": "string"}
NULL = {"type": "null"}
MODEL_NAME = {"type": "string", "description": "Such as `agent-5`."}


def _object(required: str, /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _named(name: str, required: str, /, **properties: Any) -> dict[str, Any]:
    """A component of the document."""
    return {"title": name, **_object(required, **properties)}


def _or_null(**schema: Any) -> dict[str, Any]:
    return {"anyOf": [schema, NULL]}


def _constant(value: str) -> dict[str, Any]:
    return {"type": "string", "enum": [value]}


ERROR = _named(
    "OpenAIError",
    "error",
    error=_named(
        "OpenAIErrorDetail",
        "message type param code",
        message={**STRING, "description": "For people."},
        type={**STRING, "description": "Such as `invalid_request_error`."},
        param=_or_null(type="string", description="The field that is to blame."),
        code=_or_null(type="string", description="Such as `model_not_found`."),
    ),
)

CALL_ID = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
TOOL_CALL = _named(
    "ChatCompletionToolCall",
    "id type function",
    id=CALL_ID,
    type=_constant("function"),
    function=_object(
        "name arguments",
        name=STRING,
        arguments={**STRING, "description": "A JSON object, as a string."},
    ),
)
CONTENT = {
    "anyOf": [
        STRING,
        {
            "type": "array",
            "items": _named(
                "ChatCompletionTextPart",
                "type text",
                type=_constant("text"),
                text=STRING,
            ),
        },
    ],
    "description": "Text, or parts of type `text`.",
}
MESSAGE = {
    "oneOf": [
        _named(
            "ChatCompletionSystemMessage",
            "role content",
            role={"type": "string", "enum": ["system", "developer"]},
            content=CONTENT,
        ),
        _named(
            "ChatCompletionUserMessage",
            "role content",
            role=_constant("user"),
            content=CONTENT,
        ),
        _named(
            "ChatCompletionAssistantMessage",
            "role",
            role=_constant("assistant"),
            content={"anyOf": [*CONTENT["anyOf"], NULL]},
            tool_calls={
                "type": "array",
                "items": TOOL_CALL,
                "maxItems": MAX_CALLS,
            },
        ),
        _named(
            "ChatCompletionToolMessage",
            "role content tool_call_id",
            role=_constant("tool"),
            content=CONTENT,
            tool_call_id=CALL_ID,
        ),
    ]
}
TOOL = _named(
    "ChatCompletionTool",
    "type function",
    type=_constant("function"),
    function=_object(
        "name",
        name={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,60}$"},
        description=_or_null(type="string"),
        parameters=_or_null(type="object", description="A JSON Schema."),
    ),
)
BODY = _named(
    "ChatCompletionBody",
    "model messages",
    model=MODEL_NAME,
    messages={
        "type": "array",
        "items": MESSAGE,
        "minItems": 1,
        "maxItems": posted.MAX_MESSAGES,
        "description": "The whole conversation, oldest first; the last message is the"
        f" user's or a tool's. At most {posted.MAX_CHARACTERS:,} characters in all.",
    },
    stream=_or_null(type="boolean", default=False),
    stream_options=_or_null(
        type="object", properties={"include_usage": _or_null(type="boolean")}
    ),
    tools=_or_null(
        type="array",
        items=TOOL,
        maxItems=MAX_TOOLS,
        description="Functions of yours, offered beside the agent's own actions. Of two"
        " of one name the agent's counts."
        f" At most {MAX_TOOLS_LENGTH // 1024} KiB of JSON in all.",
    ),
    tool_choice=_or_null(
        type="string",
        enum=["auto", "none"],
        description="`none`: neither yours nor the agent's may be called.",
    ),
    temperature=_or_null(
        type="number",
        minimum=0,
        maximum=MOST_TEMPERATURE,
        description="The agent's own unless given; above 1 it counts as 1.",
    ),
    n=_or_null(type="integer", enum=[1]),
    user=_or_null(
        type="string",
        description="Your own id of the person. One that breaks the pattern of"
        " `userId` is ignored, unless the conversation has a name.",
    ),
    safety_identifier=_or_null(type="string", description="As `user`."),
    metadata=_or_null(
        type="object",
        properties={
            "conversation_id": _or_null(
                type="string",
                minLength=1,
                maxLength=posted.MAX_NAME,
                description="Your own name of the conversation: it is kept under it."
                " Without one nothing is stored.",
            )
        },
    ),
)

USAGE = _named(
    "ChatCompletionUsage",
    "prompt_tokens completion_tokens total_tokens",
    prompt_tokens={"type": "integer"},
    completion_tokens={"type": "integer"},
    total_tokens={"type": "integer"},
)
COMPLETION = _named(
    "ChatCompletion",
    "id object created model choices usage",
    id=STRING,
    object=_constant("chat.completion"),
    created={"type": "integer", "description": "Unix seconds."},
    model=MODEL_NAME,
    choices={
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": _named(
            "ChatCompletionChoice",
            "index message finish_reason",
            index={"type": "integer"},
            message=_named(
                "ChatCompletionReply",
                "role content",
                role=_constant("assistant"),
                content=_or_null(type="string"),
                refusal=NULL,
                tool_calls={"type": "array", "items": TOOL_CALL},
            ),
            logprobs=NULL,
            finish_reason={"type": "string", "enum": ["stop", "length", "tool_calls"]},
        ),
    },
    usage=USAGE,
)
MODEL = _named(
    "Model",
    "id object created owned_by",
    id=MODEL_NAME,
    object=_constant("model"),
    created={"type": "integer", "description": "Unix seconds."},
    owned_by=STRING,
)

A_BODY = {
    "model": "agent-5",
    "messages": [{"role": "user", "content": "How long does delivery take?"}],
}
A_COMPLETION = {
    "id": "chatcmpl-5f1c9a",
    "object": "chat.completion",
    "created": 1767312000,
    "model": "agent-5",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Two days.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}
A_STREAM = """\
data: {"id":"chatcmpl-5f1c9a","object":"chat.completion.chunk","created":1767312000,\
"model":"agent-5","choices":[{"index":0,"delta":{"role":"assistant","content":"",\
"refusal":null},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-5f1c9a","object":"chat.completion.chunk","created":1767312000,\
"model":"agent-5","choices":[{"index":0,"delta":{"content":"Two days."},\
"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-5f1c9a","object":"chat.completion.chunk","created":1767312000,\
"model":"agent-5","choices":[{"index":0,"delta":{},"logprobs":null,\
"finish_reason":"stop"}]}

data: [DONE]

"""
A_MODEL = model_json(5, created=1767225600)


def _id_header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, response=[200], description=description
    )


completion = schema.documented(
    "Chat completion, in OpenAI's dialect",
    operation_id="createChatCompletion",
    tags=["openai"],
    description=(
        "For OpenAI's clients: `base_url` is this site's `/v1`, `api_key` a key of"
        " yours, `model` is `agent-<id>`.\n\n"
        "The agent sees the posted messages and answers from its own knowledge, by its"
        " own instructions: posted `system` and `developer` messages are told to it as"
        " context and override nothing. Nothing is stored, unless"
        " `metadata.conversation_id` names the conversation: then the last user's"
        " message and the reply are.\n\n"
        "What is not listed is ignored: `stop`, `seed`, `top_p`, penalties,"
        " `logit_bias`, `max_tokens`, `parallel_tool_calls`, `store`,"
        " `reasoning_effort`. What you would miss in the answer is refused: `n` above"
        " 1, JSON as `response_format`, `logprobs`, other modalities than text, a"
        " forced `tool_choice`, images, sound and files in messages.\n\n"
        "A stream that fails in the middle has a frame with `error` before `[DONE]`."
    ),
    request={
        "application/json": OpenApiRequest(
            BODY, examples=[OpenApiExample("A question", value=A_BODY)]
        )
    },
    answers={
        (200, "application/json"): OpenApiResponse(
            COMPLETION,
            "The reply.",
            examples=[OpenApiExample("A reply", value=A_COMPLETION)],
        ),
        (200, "text/event-stream"): OpenApiResponse(
            OpenApiTypes.STR,
            "The reply, in chunks.",
            examples=[OpenApiExample("A stream", value=A_STREAM)],
        ),
    },
    errors=[409],
    error=ERROR,
    parameters=[
        _id_header("x-conversation-id", "Of streams that are kept: the conversation."),
        _id_header("x-user-message-id", "Of streams that are kept: your message."),
        _id_header("x-message-id", "Of streams that are kept: the reply."),
    ],
)

models = schema.documented(
    "List models, in OpenAI's dialect",
    operation_id="listModels",
    tags=["openai"],
    description="The agents that this key may speak to.",
    answers={
        200: OpenApiResponse(
            _named(
                "Models",
                "object data",
                object=_constant("list"),
                data={"type": "array", "items": MODEL},
            ),
            "Every agent is a model.",
            examples=[
                OpenApiExample("One", value={"object": "list", "data": [A_MODEL]})
            ],
        )
    },
    error=ERROR,
)

model = schema.documented(
    "One model, in OpenAI's dialect",
    operation_id="retrieveModel",
    tags=["openai"],
    answers={
        200: OpenApiResponse(
            MODEL, "The agent.", examples=[OpenApiExample("An agent", value=A_MODEL)]
        )
    },
    error=ERROR,
    parameters=[schema.path_parameter("model", "`agent-<id>`.")],
)
