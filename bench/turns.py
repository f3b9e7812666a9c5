"""A whole turn: a message in, a reply in one piece out, and its rows saved."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import peers
from bench.peers import Installation
from bench.questions import KNOWN, NEW
from bench.report import Finding
from bench.rounds import compare, noise

TURNS = 150
CHEAP = 1500  # requests of the kinds that cost a tenth or less
WARM = 20


def turns(shop: Installation, *, rounds: int) -> Iterator[Finding]:
    """A turn against its rows alone, and against a request that does nothing."""
    known, new = (shop.chat(text, stream=False) for text in (KNOWN, NEW))
    with TemporaryDirectory(prefix="bookbag-bench-") as folder:
        database = Path(folder) / "copy.sqlite3"
        with shop.serve(pace=0) as ours:
            ours.load(known, count=WARM)
        shop.copy_database(database)
        with shop.serve(pace=0) as ours, peers.floor(database) as floor:
            health = peers.request("GET", "/api/v2/health")
            rows = peers.request("POST", "/turn", key="-", body="{}")
            for server, request in ((ours, known), (ours, new), (floor, rows)):
                server.load(request, count=WARM)
            best = compare(
                {
                    "rows": floor.answering("200", rows, count=CHEAP),
                    "known": ours.answering("200", known, count=TURNS),
                    "new": ours.answering("200", new, count=TURNS),
                    "health": ours.answering("200", health, count=CHEAP),
                    "nothing": floor.answering("200", health, count=CHEAP),
                },
                rounds=rounds,
            )
    foreign = noise(*best.values())
    for what, mine, against, other in (
        ("CPU of a turn, as JSON", "known", "its rows through sqlite3 alone", "rows"),
        ("CPU of a turn, as JSON", "known", "GET /api/v2/health", "health"),
        ("CPU of a new question's turn", "new", "one asked before", "known"),
        ("CPU of GET /api/v2/health", "health", "bare ASGI", "nothing"),
    ):
        yield Finding(
            "turn", what, against, best[mine].cost / best[other].cost, foreign=foreign
        )
