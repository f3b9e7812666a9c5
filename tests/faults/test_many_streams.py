"""Hundreds of open streams: a bounded number of threads and connections."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from bookbag.threads import K
from tests.faults.conftest import Install
from tests.installation import Installation

STREAMS = 300
BESIDE = 8  # the main thread, the embedding's, and what libraries start


def test_300_open_streams(install: Install, is_postgres: bool) -> None:
    shop = install()
    demo = shop.seed()
    keys = [shop.create_key() for _ in range(STREAMS // 75)]
    shop.environment |= {
        # All of them have to be open before the first one ends.
        "BOOKBAG_EMBEDDED_PACE": "10",
        "BOOKBAG_EMBEDDED_LONGEST": "45",
        "BOOKBAG_REPLY_DEADLINE": "240",
    }
    server = shop.serve()
    streams, threads, connections = asyncio.run(
        _open_all(shop, server.pid, demo["agent_id"], keys)
    )
    assert threads <= K + BESIDE
    if is_postgres:
        assert connections <= K
    texts = {_text(body) for body in streams}
    assert len(texts) == 1, "a stream got another's words"
    assert "Canada" in texts.pop()
    finished = [json.loads(_frames(body)[-2]) for body in streams]
    conversations = {frame["metadata"]["conversationId"] for frame in finished}
    assert len(conversations) == STREAMS
    (complete,) = shop.rows(
        "SELECT count(*) FROM conversations_message"
        f" WHERE status = 'complete' AND conversation_id IN ({','.join(conversations)})"
    )[0]
    assert complete == 2 * STREAMS


async def _open_all(
    shop: Installation, pid: int, agent_id: int, keys: list[str]
) -> tuple[list[str], int, int]:
    opened = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(_read(shop.port, agent_id, keys[n % len(keys)], opened))
        for n in range(STREAMS)
    ]
    for _ in range(STREAMS):  # every one has had its first bytes, and none its last
        await asyncio.wait_for(opened.acquire(), 120)
    assert not any(task.done() for task in tasks)
    threads = len(os.listdir(Path("/proc") / str(pid) / "task"))
    connections = _connections(shop)
    return await asyncio.gather(*tasks), threads, connections


async def _read(port: int, agent_id: int, key: str, opened: asyncio.Semaphore) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"message": "Do you ship to Canada?"})
    writer.write(
        f"POST /api/v2/agents/{agent_id}/chat HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
    )
    received = b""
    while b"text-delta" not in received:
        more = await reader.read(4096)
        assert more, received
        received += more
    opened.release()
    received += await reader.read()
    writer.close()
    return received.decode()


def _connections(shop: Installation) -> int:
    if not shop.database_url:
        return 0
    ((count,),) = shop.rows(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return count


def _frames(body: str) -> list[str]:
    return [
        line.removeprefix("data: ")
        for line in body.splitlines()
        if line.startswith("data: ")
    ]


def _text(body: str) -> str:
    frames = _frames(body)
    assert frames[-1] == "[DONE]", body[-300:]
    return "".join(json.loads(frame).get("text", "") for frame in frames[:-1])


if not Path("/proc/self/task").exists():
    pytestmark = pytest.mark.skip(reason="counts threads under /proc")
