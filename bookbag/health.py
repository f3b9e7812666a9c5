"""`/healthz`: the process lives. `/readyz`: it can do its work."""

import asyncio

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from bookbag import threads
from knowledge import embedding


async def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


async def readyz(request: HttpRequest) -> JsonResponse:
    """200, or 503 where the database does not answer. What only makes Bookbag worse,
    not useless, is told but does not count."""
    database = await _answers(_ask_database)
    checks: dict[str, object] = {
        "database": database,
        "embedding": embedding.status(),
    }
    if settings.REDIS_URL:
        checks["redis"] = await _answers(_ask_redis)
    return JsonResponse(
        {"status": "ok" if database else "unavailable", "checks": checks},
        status=200 if database else 503,
    )


async def _answers(ask: object) -> bool:
    try:
        async with asyncio.timeout(2):
            await threads.run(ask)  # type: ignore[arg-type]
    except Exception:
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
    )
    with client:
        client.ping()
