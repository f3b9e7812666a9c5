"""How the server starts: the shell, the threads, and two chains of middleware."""

import asyncio
import os
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
from bookbag.housekeeping import keep_house  # noqa: E402
from bookbag.middleware import Shell  # noqa: E402
from bookbag.routing import websocket_urlpatterns  # noqa: E402
from conversations import runs  # noqa: E402
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
for signal, receiver in (
    (signals.request_started, reset_queries),
    (signals.request_started, close_old_connections),
    (signals.request_finished, close_old_connections),
):
    signal.disconnect(receiver)
    signal.connect(receiver, sender=ASGIHandler)


class Site:
    """Django for one request, on one of the few threads."""

    def __init__(self) -> None:
        self.api = ApiHandler()
        self.pages = ASGIHandler()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        handler = self.api if scope["path"].startswith("/api/") else self.pages
        # `handle`, not the handler itself: calling that would open a context, and a
        # thread, of its own for the request.
        async with ThreadSensitiveContext(executor=threads.pick()):
            await handler.handle(scope, receive, send)


class Lifespan:
    """Starts the chores with the server, and at its end lets replies finish."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        chores = asyncio.create_task(keep_house())
        # The first reply need not wait for the embedding model to load.
        threads.background_thread.submit(embedding.available)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        chores.cancel()
        await runs.drain(seconds=5)
        threads.close_connections()
        await send({"type": "lifespan.shutdown.complete"})


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
