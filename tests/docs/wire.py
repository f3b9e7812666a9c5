"""A wire to the server that breaks."""

import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class FrayedWire:
    """Passes everything on; of the first connections' answers so many bytes, and then
    it breaks. What is left in `cuts` has not been reached."""

    def __init__(self, url: str, cuts: list[int]) -> None:
        parts = urlsplit(url)
        self.server = (str(parts.hostname), int(parts.port or 80))
        self.cuts = cuts
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self.server)
            left = self.cuts.pop(0) if self.cuts else None
            threading.Thread(target=_pass, args=(client, server), daemon=True).start()
            threading.Thread(
                target=_pass, args=(server, client, left), daemon=True
            ).start()


def _pass(
    source: socket.socket, target: socket.socket, left: int | None = None
) -> None:
    try:
        while left != 0 and (data := source.recv(4096)):
            if left is not None:
                data = data[:left]
                left -= len(data)
            target.sendall(data)
    except OSError:  # the other direction has been cut
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
