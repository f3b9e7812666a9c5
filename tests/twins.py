"""The same request many times at once."""

import asyncio
from typing import Any

import httpx

TWINS = 50


def all_at_once(
    targets: list[str], body: Any, headers: dict[str, str]
) -> list[httpx.Response]:
    """One POST to every target, each over a connection of its own."""

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(targets))
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            return await asyncio.gather(
                *(client.post(url, json=body, headers=headers) for url in targets)
            )

    return asyncio.run(send())


def headers_of(secret: str, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "Idempotency-Key": name}
