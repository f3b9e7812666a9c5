"""The server: uvicorn with the parts chosen for it, and everything it needs first."""

import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from bookbag import environment, threads
from bookbag.database import require_database, require_migrated
from bookbag.demo import northwind
from bookbag.management.commands import seed_demo
from workspaces.models import Workspace


class Command(BaseCommand):
    help = "Serves Bookbag. HOST and PORT may also come from the environment."
    requires_system_checks: list[str] = []  # run with migrations, below

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument(
            "--workers",
            type=int,
            default=environment.whole("BOOKBAG_WORKERS", 1, least=1, most=256),
            help="Server processes; more than one needs REDIS_URL.",
        )
        parser.add_argument(
            "--demo",
            action="store_true",
            help="First migrate, fill an empty installation with demo data, and print"
            " how to try it.",
        )

    def handle(
        self, *, host: str, port: int, workers: int, demo: bool, **_: Any
    ) -> None:
        if workers > 1 and not settings.REDIS_URL:
            raise CommandError(
                "Several workers must share their rate limits: set REDIS_URL, or serve"
                " with one worker."
            )
        _check_port(host, port)
        if demo:
            self._prepare_demo(host, port)
        require_migrated()
        if not demo:
            self._say_where(host, port)
        # The server's processes make their own connections.
        connections.close_all()
        threads.close_connections()
        self._serve(host, port, workers)

    def _prepare_demo(self, host: str, port: int) -> None:
        require_database()
        call_command("migrate", verbosity=0, interactive=False)
        settings.BASE_URL = _base_url(host, port)
        if not Workspace.objects.exists():
            self.stderr.write("Making the demo workspace …")
        elif not _has_demo():
            # Somebody's own data: nothing of ours belongs there.
            self._say_where(host, port)
            return
        self.stdout.write(seed_demo.welcome(seed_demo.seed()))
        self.stdout.flush()

    def _say_where(self, host: str, port: int) -> None:
        self.stdout.write(f"Bookbag is at {_base_url(host, port)} (Ctrl-C to stop)")
        self.stdout.flush()

    def _serve(self, host: str, port: int, workers: int) -> None:
        proxies = settings.TRUSTED_PROXIES
        # Ctrl-C is asked for; uvicorn has shut down in order.
        with suppress(KeyboardInterrupt):
            uvicorn.run(
                "bookbag.asgi:application",
                host=host,
                port=port,
                workers=workers,
                loop="uvloop" if sys.platform != "win32" else "asyncio",
                http="httptools",
                ws="websockets-sansio",
                lifespan="on",
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                backlog=4096,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies or None,
                timeout_graceful_shutdown=settings.SHUTDOWN_GRACE,
            )


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            other = port % 65_535 + 1
            raise CommandError(
                f"Port {port} on {host} cannot be used: {error}. Choose another one,"
                f" for instance PORT={other}; HOST is the address to listen on."
            ) from error


def _base_url(host: str, port: int) -> str:
    return environment.text("BOOKBAG_BASE_URL", f"http://{host}:{port}").rstrip("/")


def _has_demo() -> bool:
    return Workspace.objects.filter(name=northwind.WORKSPACE).exists()
