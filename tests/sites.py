"""Sites on loopback, for what calls addresses that customers gave."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Page = Callable[["Visit"], None]


class Visit(BaseHTTPRequestHandler):
    """One request, for a page to answer."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        local = self.connection.getsockname()[0]
        self.server.site.visits.append((local, self.path, dict(self.headers)))
        try:
            self.server.site.pages[self.path.partition("?")[0]](self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller had enough

    def give(
        self,
        body: bytes | str,
        *,
        kind: str = "text/html; charset=utf-8",
        status: int = 200,
        **headers: str,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def drip(self, first: bytes, piece: bytes) -> None:
        """Something, and then more of it, until the caller goes away or the site."""
        self.close_connection = True
        self.wfile.write(first)
        while not self.server.site.closed.wait(0.02):
            self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    site: "Site"

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that hang up are what is tested."""


def page(body: bytes | str, **values: str | int) -> Page:
    return lambda visit: visit.give(body, **values)  # type: ignore[arg-type]


def redirect(location: str, *, status: int = 302, **headers: str) -> Page:
    return lambda visit: visit.give("", status=status, Location=location, **headers)


@dataclass
class Site:
    """Listens on every address of this machine, and keeps the visits: at which address,
    for which path, with which headers."""

    pages: dict[str, Page] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    visits: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._server = _Server(("0.0.0.0", 0), Visit)
        self._server.site = self
        self._server.daemon_threads = True
        self._server.verify_request = self._count  # type: ignore[method-assign]
        if self.tls:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True
            )
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def _count(self, request: object, client_address: object) -> bool:
        self.connections += 1
        return True
