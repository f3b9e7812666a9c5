"""How the server starts: the shell, the threads, and two chains of middleware."""

import asyncio
import os
import signal
import threading
from types import FrameType
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")
django.setup()

from asgiref.sync import ThreadSensitiveContext  # noqa: E402  (all after setup)
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core import signals  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.db import close_old_connections, reset_queries  # noqa: E402

from apikeys.throttling import count_scope  # noqa: E402
from bookbag import threads  # noqa: E402
from bookbag.housekeeping import keep_house, tidy_up  # noqa: E402
from bookbag.middleware import is_api  # noqa: E402
from bookbag.routing import websocket_urlpatterns  # noqa: E402
from bookbag.shell import Shell  # noqa: E402
from conversations import feed, runs  # noqa: E402
from knowledge import embedding  # noqa: E402


class ApiHandler(ASGIHandler):
    """Django without sessions and forms: each of those middlewares is a hop to a
    thread, and the API ignores cookies anyway."""

    def load_middleware(self, is_async: bool = False) -> None:
        whole, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.API_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = whole


# These receivers hop to a thread at the start of every request. API views look after
# their connections themselves, so that the health check answers while a database hangs.
for moment, receiver in (
    (signals.request_started, reset_queries),
    (signals.request_started, close_old_connections),
    (signals.request_finished, close_old_connections),
):
    moment.disconnect(receiver)
    moment.connect(receiver, sender=ASGIHandler)


class Site:
    """Django for one request, on one of the few threads."""

    def __init__(self) -> None:
        self.api = ApiHandler()
        self.pages = ASGIHandler()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        handler = self.api if is_api(scope["path"]) else self.pages
        # `handle`, not the handler itself: calling that would open a context, and a
        # thread, of its own for the request.
        async with ThreadSensitiveContext(executor=threads.pick()):
            await handler.handle(scope, receive, send)


# The server cuts streams off after SHUTDOWN_GRACE: before that, replies that are broken
# off must have said so on the wire.
DRAIN_SECONDS = settings.SHUTDOWN_GRACE - 3


class Lifespan:
    """Starts the chores with the server, and at its end lets replies finish."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        threads.serving = True
        chores = asyncio.create_task(keep_house())
        _drain_when_told_to_stop()
        # The first reply need not wait for the embedding model to load.
        threads.background_thread.submit(embedding.available)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        chores.cancel()
        await runs.drain(seconds=5)  # of those whose clients have left
        await tidy_up(seconds=1)
        await asyncio.to_thread(threads.close_connections, seconds=2)
        await send({"type": "lifespan.shutdown.complete"})


def _drain_when_told_to_stop() -> None:
    """From the signal on, not from the end of the lifespan: by then the server has cut
    off the streams that were open for too long."""
    if threading.current_thread() is not threading.main_thread():
        return  # only there can signals be heard
    loop = asyncio.get_running_loop()
    drains: list[asyncio.Task[None]] = []  # the loop itself keeps only weak references

    def drain() -> None:
        feed.readers.close()  # whoever waits for news would hold up the end
        drains.append(loop.create_task(runs.drain(seconds=DRAIN_SECONDS)))

    for number in (signal.SIGTERM, signal.SIGINT):
        servers = signal.getsignal(number)

        def handle(
            number: int, frame: FrameType | None, servers: Any = servers
        ) -> None:
            if callable(servers):
                servers(number, frame)
            loop.call_soon_threadsafe(drain)

        if callable(servers):
            signal.signal(number, handle)


application = Shell(
    ProtocolTypeRouter(
        {
            "http": Site(),
            "websocket": AllowedHostsOriginValidator(
                AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
            ),
            "lifespan": Lifespan(),
        }
    ),
    count=count_scope,
)
