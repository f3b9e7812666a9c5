"""The rate limit is exact across processes that share a Redis."""

import asyncio
import time
from collections import Counter

import pytest

from tests.faults.conftest import Install
from tests.installation import Installation

KEYS, REQUESTS, LIMIT, WINDOW = 50, 300, 100, 10
AT_ONCE = 2  # keys; so that one burst lies well inside a window


@pytest.mark.timeout(900)
def test_50_keys_300_requests_two_processes(install: Install, redis_url: str) -> None:
    # One that is slow, as all of a busy machine is, is not away: else each counts for
    # itself.
    shop = install(
        REDIS_URL=f"{redis_url}?socket_timeout=60&socket_connect_timeout=60",
        CELERY_BROKER_URL=redis_url,
    )
    demo = shop.seed()
    keys = shop.python(
        "from apikeys.models import ApiKey; from workspaces.models import Workspace\n"
        "workspace = Workspace.objects.get()\n"
        f"for n in range({KEYS}):\n"
        "    print(ApiKey.objects.issue(workspace, label=str(n))[1])"
    ).split()
    assert len(keys) == KEYS
    shop.serve("--workers", "2")
    for first in range(0, KEYS, AT_ONCE):
        burst = keys[first : first + AT_ONCE]
        began = time.monotonic()
        statuses = asyncio.run(_burst(shop, demo["agent_id"], burst))
        took = time.monotonic() - began
        for key in burst:
            passed = statuses[key, 400]
            assert passed + statuses[key, 429] == REQUESTS
            if took < WINDOW:
                assert passed == LIMIT
            else:  # a very slow machine: the window has slid on meanwhile
                assert LIMIT <= passed <= LIMIT * (1 + took / WINDOW)


async def _burst(
    shop: Installation, agent_id: int, keys: list[str]
) -> Counter[tuple[str, int]]:
    """Every key's requests over several connections, which reach both processes. They
    have no body, so that they cost little: one that passes the limit is a 400."""
    statuses: Counter[tuple[str, int]] = Counter()

    async def client(key: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        for _ in range(REQUESTS // 10):
            writer.write(
                f"POST /api/v2/agents/{agent_id}/chat HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
                "Content-Length: 2\r\n\r\n{}".encode()
            )
            statuses[key, await _status(reader)] += 1
        writer.close()

    await asyncio.gather(*(client(key) for key in keys for _ in range(10)))
    return statuses


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    lines = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
    if "content-length" in lines:
        await reader.readexactly(int(lines["content-length"]))
    else:
        while size := int((await reader.readline()).strip(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return int(head.split()[1])
