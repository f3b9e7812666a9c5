"""What a posted chat completion asks for.

What is not here is ignored, as far as nobody could miss it in the answer. What a caller
would miss (a JSON format, several choices, a forced tool) is refused instead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.engine import base
from bookbag.api.errors import InvalidBody
from bookbag.api.fields import WHITESPACE, is_blank, is_user_id
from conversations.openai.fields import flag, mapping, string
from conversations.openai.messages import newest_results, turns_of
from conversations.openai.tools import tools_of
from conversations.posted import MAX_NAME

MOST_TEMPERATURE = 2  # OpenAI's scale; an agent's ends at 1, and so does what it gets


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a body asks for.

    `question` is the newest user's turn. `text` is the same, but None where the reply
    goes on from `results`: pairs of a call's id and its output. `tools` is None where
    none may be called.
    """

    turns: tuple[base.Turn, ...]
    question: str
    text: str | None
    results: tuple[tuple[str, object], ...]
    tools: tuple[base.ToolSpec, ...] | None
    stream: bool = False
    include_usage: bool = False
    temperature: float | None = None
    conversation: str | None = None
    end_user: str | None = None


def read(body: Mapping[str, Any]) -> Posted:
    """What a body asks for. InvalidBody, which names the first field at fault."""
    turns = turns_of(body.get("messages"))
    question = next(one.text for one in reversed(turns) if one.role == "user")
    question = question.strip(WHITESPACE)
    _refuse_what_would_be_missed(body)
    conversation = _conversation(body.get("metadata"))
    options = mapping(body.get("stream_options"), "stream_options")
    return Posted(
        turns=tuple(turns),
        question=question,
        text=question if turns[-1].role == "user" else None,
        results=newest_results(turns),
        tools=tools_of(body.get("tools"), body.get("tool_choice")),
        stream=flag(body.get("stream"), "stream"),
        include_usage=flag(
            options.get("include_usage"), "stream_options.include_usage"
        ),
        temperature=_temperature(body.get("temperature")),
        conversation=conversation,
        end_user=_end_user(body, is_kept=conversation is not None),
    )


def _refuse_what_would_be_missed(body: Mapping[str, Any]) -> None:
    choices = body.get("n")
    if choices is not None and (type(choices) is not int or choices != 1):
        raise InvalidBody(
            {"n": "An agent gives one answer: leave it out, or make it 1."}
        )
    form = mapping(body.get("response_format"), "response_format")
    if form.get("type", "text") != "text":
        raise InvalidBody({"response_format": "Agents answer in text only."})
    if flag(body.get("logprobs"), "logprobs"):
        raise InvalidBody({"logprobs": "Agents have none to give."})
    if body.get("modalities") not in (None, ["text"]):
        raise InvalidBody({"modalities": "Agents answer in text only."})
    if body.get("functions"):
        raise InvalidBody({"functions": "Send them as “tools”."})
    for name in ("max_tokens", "max_completion_tokens"):
        most = body.get(name)
        if most is not None and (type(most) is not int or most < 1):
            raise InvalidBody({name: "Must be a positive integer."})


def _conversation(metadata: object) -> str | None:
    name = mapping(metadata, "metadata").get("conversation_id")
    if name is None:
        return None
    if not isinstance(name, str) or is_blank(name) or len(name) > MAX_NAME:
        raise InvalidBody(
            {
                "metadata.conversation_id": "Must be a string of your own,"
                f" not blank, at most {MAX_NAME} characters."
            }
        )
    return name


def _end_user(body: Mapping[str, Any], *, is_kept: bool) -> str | None:
    for field in ("user", "safety_identifier"):
        value = body.get(field)
        if value is None:
            continue
        text = string(value, field)
        if is_user_id(text):
            return text
        # Else two people's conversations of one name would be the same.
        if is_kept:
            raise InvalidBody(
                {
                    field: "Must be 1 to 128 letters, digits, dots, underscores or"
                    " hyphens where the conversation has a name."
                }
            )
    return None


def _temperature(value: object) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= MOST_TEMPERATURE
    ):
        raise InvalidBody({"temperature": "Must be a number from 0 to 2."})
    return min(float(value), 1.0)
