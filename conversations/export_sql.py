"""The statements of the export: `conversations.api.shapes`, said in SQL.

A test holds what they give equal to the shapes, byte for byte. The JSON is put together
from text, which PostgreSQL does twice as fast as with its JSON functions; every value
is quoted by the database itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conversations.api.shapes import ANSWERED, FINISH_REASON, STATUS
from conversations.models import LIVE, MessageRole, ReplyStatus

ROW = 150  # bytes of a message beside its text


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the databases write differently. All but the weights are JSON's text."""

    quoted: str  # text; NULL is null
    stored: str  # a JSON column
    number: str  # a double that loses nothing
    seconds: str  # a time as Unix seconds
    joined: str  # all texts `j` of a sorted subquery, with something between
    text_weight: str
    json_weight: str  # as it is stored, which may be compressed: nothing is read


DIALECTS = {
    "postgresql": Dialect(
        quoted="coalesce(to_json({}::text)::text, 'null')",
        stored="{}::text",
        # It writes 1.0 as 1. A score is no larger.
        number="to_json({0})::text || CASE WHEN {0} IN (0, 1) THEN '.0' ELSE '' END",
        seconds="floor(date_part('epoch', {}))::bigint",  # a double: extract is slower
        joined="string_agg(j, '{}')",
        text_weight="octet_length({})",
        json_weight="coalesce(pg_column_size({}), 0)",
    ),
    "sqlite": Dialect(
        quoted="json_quote({})",
        stored="{}",
        # By itself it writes 15 digits, and a double may need 17.
        number="printf('%%!.17g', {})",
        # Its clock counts milliseconds, and would round up into the next second.
        seconds="strftime('%%s', substr({}, 1, 19))",
        joined="group_concat(j, '{}')",
        text_weight="length({})",
        json_weight="coalesce(length({}), 0)",
    ),
}


@dataclass(frozen=True, slots=True)
class Statements:
    """`weigh_…` give number and weight, the others JSON."""

    weigh_conversations: str
    conversations: str
    heads: str  # conversations without their messages
    weigh_messages: str
    messages: str


def statements(db: Dialect) -> Statements:
    conversation, message = _conversation(db), _message(db)
    said = (
        f"SELECT {message} AS j FROM conversations_message m"
        f" WHERE m.conversation_id = c.id AND {READABLE} ORDER BY m.id"
    )
    messages = f"(SELECT {db.joined.format(',')} FROM ({said}) AS said)"
    whole = f"{conversation} || ',\"messages\":[' || coalesce({messages}, '') || ']'"
    weight = (
        f"{ROW} + {db.text_weight.format('m.text')}"
        f" + {db.json_weight.format('m.citations')}"
    )
    called = " + ".join(db.json_weight.format(f"t.{c}") for c in ("input", "output"))
    weigh_calls = f"SELECT coalesce(sum({called}), 0) FROM conversations_toolcall t"
    return Statements(
        weigh_conversations=(
            f"SELECT c.id, (SELECT coalesce(sum({weight}), 0)"
            f" FROM conversations_message m WHERE m.conversation_id = c.id"
            f" AND {READABLE}) + ({weigh_calls} WHERE t.conversation_id = c.id)"
            f" FROM conversations_conversation c WHERE {OURS} AND c.id > %(after)s"
            " AND c.id <= %(last_conversation)s ORDER BY c.id LIMIT %(lot)s"
        ),
        conversations=_merged(_select_conversations(whole)),
        heads=_merged(_select_conversations(conversation)),
        weigh_messages=(
            f"SELECT m.id, {weight} + ({weigh_calls} WHERE t.message_id = m.id)"
            " FROM conversations_message m WHERE m.conversation_id = %(conversation)s"
            f" AND {READABLE} AND m.id > %(after)s ORDER BY m.id LIMIT %(lot)s"
        ),
        messages=_merged(
            f"SELECT {message} FROM conversations_message m"
            f" WHERE m.conversation_id = %(conversation)s AND {READABLE}"
            " AND m.id BETWEEN %(first)s AND %(last)s ORDER BY m.id"
        ),
    )


def _merged(statement: str) -> str:
    """Pieces of text that stand side by side as one: a quarter of the time. None of
    them has a quote in it."""
    return statement.replace("' || '", "")


def _list(values: Iterable[str]) -> str:
    return f"({', '.join(map(_literal, values))})"


def _literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


OURS = "c.workspace_id = %(workspace)s AND c.agent_id = %(agent)s"
# `Message.objects.readable()`, at the moment of the snapshot.
READABLE = (
    "m.id <= %(last_message)s"
    " AND (m.hidden_at IS NULL OR m.hidden_at > %(at)s)"
    " AND (m.finished_at IS NULL OR m.finished_at <= %(at)s)"
    f" AND m.status NOT IN {_list((*LIVE, ReplyStatus.FAILED))}"
    f" AND m.role <> {_literal(MessageRole.SYSTEM)}"
)


def _select_conversations(members: str) -> str:
    return (
        f"SELECT '{{' || {members} || '}}' FROM conversations_conversation c"
        f" WHERE {OURS} AND c.id BETWEEN %(first)s AND %(last)s ORDER BY c.id"
    )


# --- Shapes -------------------------------------------------------------------


def _conversation(db: Dialect) -> str:
    return _members(
        id="'\"' || c.id || '\"'",
        title=db.quoted.format("nullif(c.title, '')"),
        createdAt=db.seconds.format("c.created_at"),
        updatedAt=db.seconds.format("c.updated_at"),
        userId=db.quoted.format("c.end_user"),
        status=_case("c.status", STATUS),
    )


def _message(db: Dialect) -> str:
    everybodys = _members(
        id="'\"msg_' || m.id || '\"'",
        role="'\"' || m.role || '\"'",
        parts=_parts(db),
        createdAt=db.seconds.format("m.created_at"),
    )
    assistants = _members(
        feedback=db.quoted.format("m.feedback"), metadata=_metadata(db)
    )
    return (
        f"'{{' || {everybodys} || CASE WHEN m.role = {_literal(MessageRole.ASSISTANT)}"
        f" THEN ',' || {assistants} ELSE '' END || '}}'"
    )


def _parts(db: Dialect) -> str:
    named = {
        "toolCallId": db.quoted.format("t.call_id"),
        "toolName": db.quoted.format("t.name"),
    }
    call = _object(
        type=_quoted("tool-call"), **named, input=db.stored.format("t.input")
    )
    result = _object(
        type=_quoted("tool-result"),
        **named,
        output=f"coalesce({db.stored.format('t.output')}, 'null')",
    )
    calls = (
        f"SELECT ',' || {call} || CASE WHEN t.status IN {_list(ANSWERED)}"
        " AND (t.submitted_at IS NULL OR t.submitted_at <= %(at)s)"
        f" THEN ',' || {result} ELSE '' END AS j"
        " FROM conversations_toolcall t WHERE t.message_id = m.id ORDER BY t.id"
    )
    text = _object(type=_quoted("text"), text=db.quoted.format("m.text"))
    # Each part comes with a comma in front, and the first comma is cut off.
    return (
        f"'[' || substr(CASE WHEN m.text = '' THEN '' ELSE ',' || {text} END"
        # Hardly any message has calls, and to add up nothing takes time as well.
        f" || CASE WHEN m.role = {_literal(MessageRole.ASSISTANT)} AND EXISTS"
        " (SELECT 1 FROM conversations_toolcall t WHERE t.message_id = m.id) THEN"
        f" (SELECT {db.joined.format('')} FROM ({calls}) AS calls)"
        " ELSE '' END, 2) || ']'"
    )


def _metadata(db: Dialect) -> str:
    human = '{"finishReason":"stop","usage":{"credits":0},"author":"human"}'
    always = _members(
        finishReason=_case("m.finish_reason", FINISH_REASON, otherwise="error"),
        usage=_object(credits="m.credits"),
    )
    citations = _members(citations=db.stored.format("m.citations"))
    score = _members(score=db.number.format("m.score"))
    return (
        f"CASE WHEN m.author_id IS NOT NULL THEN {_literal(human)}"
        f" ELSE '{{' || {always}"
        f" || CASE WHEN m.citations = '[]' THEN '' ELSE ',' || {citations} END"
        f" || CASE WHEN m.score IS NULL THEN '' ELSE ',' || {score} END || '}}' END"
    )


def _object(**values: str) -> str:
    return f"('{{' || {_members(**values)} || '}}')"


def _members(**values: str) -> str:
    """The inside of an object. A value is SQL that gives JSON's text, and never NULL:
    that would swallow everything around it."""
    return " || ',' || ".join(
        f"'\"{name}\":' || {value}" for name, value in values.items()
    )


def _case(column: str, words: Mapping[Any, str], *, otherwise: str = "") -> str:
    whens = " ".join(
        f"WHEN {_literal(ours)} THEN {_quoted(theirs)}"
        for ours, theirs in words.items()
    )
    default = f" ELSE {_quoted(otherwise)}" if otherwise else ""
    return f"CASE {column} {whens}{default} END"


def _quoted(text: str) -> str:
    return _literal(f'"{text}"')


STATEMENTS = {vendor: statements(db) for vendor, db in DIALECTS.items()}
