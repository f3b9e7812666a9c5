"""The limit: what the same answers cost in bare ASGI, with no framework at all.

It runs under the same uvicorn, loop and parser as Bookbag and does nothing beyond what
the scenario is about: no keys, no counting, no saving of frames.
"""

import asyncio
import os
import sqlite3
from typing import Any
from urllib.parse import parse_qs

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
JSON_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-request-id", b"req_0123456789abcdef01234567"),
    (b"x-ratelimit-limit", b"100"),
    (b"x-ratelimit-remaining", b"0"),
    (b"x-ratelimit-reset", b"1800000000"),
]
LAST_FRAMES = (
    b'data: {"type":"finish","finishReason":"stop","metadata":{"userMessageId":"msg_1",'
    b'"conversationId":"1","userId":null,"messageId":"msg_2","usage":{"credits":0}}}'
    b"\n\ndata: [DONE]\n\n"
)
REFUSAL = (
    b'{"error":{"code":"UNAUTHORIZED","message":"The API key is missing or not valid.'
    b' Send it as: Authorization: Bearer ...","details":{}}}'
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    match scope["path"].split("/")[1:]:
        case ["stream"]:
            query = parse_qs(scope["query_string"].decode())
            await _stream(
                send, words=int(query["words"][0]), pace=float(query["pace"][0])
            )
        case ["refusal", status]:
            await _answer(send, int(status), REFUSAL)
        case ["turn"]:
            await _answer(send, 200, b'{"data":{"id":"msg_%d"}}' % turns().make())
        case _:
            await _answer(send, 200, b'{"status":"ok"}')


async def _stream(send: Any, *, words: int, pace: float) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS}
    )
    for number in range(words):
        frame = b'data: {"type":"text-delta","text":"word%d "}\n\n' % number
        await send({"type": "http.response.body", "body": frame, "more_body": True})
        await asyncio.sleep(pace)
    await send({"type": "http.response.body", "body": LAST_FRAMES, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Any, status: int, content: bytes) -> None:
    headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Turns:
    """The rows of a turn in two transactions, through sqlite3 alone.

    The database is a copy of Bookbag's with one conversation in it. Its rows are
    copied, so that the columns need not be known here and guards and indexes are paid.
    """

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA foreign_keys=ON; PRAGMA mmap_size=134217728;"
        )
        self.reply, self.asked, self.conversation = self.database.execute(
            "SELECT id, answers_id, conversation_id FROM conversations_message"
            " WHERE role = 'assistant' ORDER BY id DESC LIMIT 1"
        ).fetchone()
        (self.entry,) = self.database.execute(
            "SELECT id FROM usage_ledgerentry WHERE message_id = ?", [self.reply]
        ).fetchone()
        self.new_conversation = self._copy("conversations_conversation")
        self.new_question = self._copy("conversations_message", "conversation_id")
        self.new_reply = self._copy(
            "conversations_message",
            *("conversation_id", "answers_id", "status", "lease_expires_at"),
        )
        self.new_entry = self._copy(
            "usage_ledgerentry", "conversation_id", "message_id"
        )

    def make(self) -> int:
        run = self.database.execute
        run("SELECT * FROM apikeys_apikey WHERE id = 1").fetchone()
        run("SELECT * FROM agents_agent WHERE id = 1").fetchone()
        run("BEGIN IMMEDIATE")
        conversation = run(self.new_conversation, {"row": self.conversation}).lastrowid
        ids = {"conversation_id": conversation}
        asked = run(self.new_question, {"row": self.asked, **ids}).lastrowid
        live = {"status": "streaming", "lease_expires_at": "2100-01-01 00:00:00"}
        reply = run(
            self.new_reply, {"row": self.reply, "answers_id": asked, **ids, **live}
        ).lastrowid
        run("COMMIT")
        run("BEGIN IMMEDIATE")
        run(
            "UPDATE conversations_message SET status = 'complete', text = 'A reply',"
            " journal = '[7]', citations = '[]', lease_expires_at = NULL WHERE id = ?",
            [reply],
        )
        run(
            "UPDATE conversations_conversation SET updated_at = ? WHERE id = ?",
            ["2026-01-01 00:00:00", conversation],
        )
        run(self.new_entry, {"row": self.entry, "message_id": reply, **ids})
        run("COMMIT")
        assert reply is not None
        return reply

    def _copy(self, table: str, *changed: str) -> str:
        """The SQL that copies a row, but for these columns."""
        info = self.database.execute(f"PRAGMA table_info({table})").fetchall()
        columns = [f'"{row[1]}"' for row in info if row[1] != "id"]
        values = [f":{c[1:-1]}" if c[1:-1] in changed else c for c in columns]
        return (
            f"INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {', '.join(values)} FROM {table} WHERE id = :row"
        )


_turns: list[Turns] = []


def turns() -> Turns:
    if not _turns:
        _turns.append(Turns(os.environ["BENCH_DATABASE"]))
    return _turns[0]
