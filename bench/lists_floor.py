"""The limit of a list: its rows through psycopg, in bare ASGI.

The same four reads in fixed SQL: key, agent, page, total. Nothing is counted against a
limit, nothing is checked beyond what the SQL says, no cursor is signed.
"""

import hashlib
import os
from typing import Any

import orjson
import psycopg

from bench.floor import JSON_HEADERS

KEY = "SELECT * FROM apikeys_apikey WHERE digest = %s AND revoked_at IS NULL"
AGENT = "SELECT * FROM agents_agent WHERE workspace_id = %s AND id = %s"
PAGE = (
    "SELECT id, title, created_at, updated_at, end_user, status"
    " FROM conversations_conversation WHERE workspace_id = %s AND agent_id = %s"
    " ORDER BY updated_at DESC, id DESC LIMIT 21"
)
TOTAL = (
    "SELECT sum(total) FROM conversations_conversationtotal"
    " WHERE workspace_id = %s AND agent_id = %s"
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    given = dict(scope["headers"]).get(b"authorization", b"")
    secret = given.removeprefix(b"Bearer ")
    if not secret:
        body = b'{"status":"ok"}'  # whoever asks whether it is there
    else:
        body = orjson.dumps(_read(secret, agent=int(scope["path"].split("/")[4])))
    length = (b"content-length", b"%d" % len(body))
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [*JSON_HEADERS, length],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _read(secret: bytes, *, agent: int) -> dict[str, Any]:
    cursor = _connection().cursor()
    cursor.execute(KEY, [hashlib.sha256(secret).digest()])
    columns = [column.name for column in cursor.description or ()]
    key = dict(zip(columns, cursor.fetchone() or (), strict=True))
    own = [key["workspace_id"], agent]
    assert cursor.execute(AGENT, own).fetchone()
    rows = cursor.execute(PAGE, own).fetchall()
    (total,) = cursor.execute(TOTAL, own).fetchone() or (0,)
    return {
        "data": [
            {
                "id": str(pk),
                "title": title or None,
                "createdAt": int(created_at.timestamp()),
                "updatedAt": int(updated_at.timestamp()),
                "userId": end_user,
                "status": status,
            }
            for pk, title, created_at, updated_at, end_user, status in rows[:20]
        ],
        "pagination": {"cursor": None, "hasMore": False, "total": int(total)},
    }


_connections: list[psycopg.Connection[Any]] = []


def _connection() -> psycopg.Connection[Any]:
    if not _connections:
        url = os.environ["BENCH_DATABASE"]
        _connections.append(psycopg.connect(url, autocommit=True))
    return _connections[0]
