"""Lists of conversations on PostgreSQL: what depth and size cost (S8), and what a page
costs beyond its rows (S7).

    python -m bench.lists 500000    # as many conversations as the study had
"""

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from bench import database, measure, peers, report
from bench.peers import Installation, Server
from bench.report import Finding
from bench.rounds import compare, noise
from tests import services

MANY = 50_000  # conversations of the big agent, in the quick run
DEPTH = 0.8  # how far down the list the deep page is
REQUESTS = 400


def lists(
    shop: Installation | None = None, *, rounds: int, many: int = MANY
) -> Iterator[Finding]:
    """S7 and S8."""
    with services.postgres() as url, TemporaryDirectory(prefix="bookbag-bench-") as at:
        filling = ("bench.talks", str(many))
        talks = Installation(Path(at), database=url, filling=filling)
        small = talks.facts["small_agent_id"]
        postmaster = database.postmaster(url)

        def run(server: Server, path: str) -> Callable[[], measure.Sample]:
            request = peers.request("GET", path, key=talks.key)
            answered = server.answering("200", request, count=REQUESTS)
            return database.included(answered, postmaster)

        with (
            talks.serve(pace=0) as ours,
            peers.floor(url, "bench.lists_floor:application") as floor,
        ):
            cursor = _cursor_at(ours, talks, depth=int(many * DEPTH))
            deep = f"{_path(talks.agent_id)}?limit=20&cursor={quote(cursor)}"
            request = peers.request("GET", _path(talks.agent_id), key=talks.key)
            server_alone = {
                "ours": ours.answering("200", request, count=REQUESTS),
                "floor": floor.answering("200", request, count=REQUESTS),
            }
            runs = {
                "top": run(ours, _path(talks.agent_id)),
                "deep": run(ours, deep),
                "big": run(ours, f"{_path(talks.agent_id)}?limit=1"),
                "small": run(ours, f"{_path(small)}?limit=1"),
            }
            for warm in (*server_alone.values(), *runs.values()):
                warm()
            page = compare(server_alone, rounds=rounds)
            best = compare(runs, rounds=rounds)
    yield Finding(
        "S7",
        "CPU of a list of 20",
        "its rows through psycopg, in bare ASGI",
        page["ours"].cost / page["floor"].cost,
        foreign=noise(*page.values()),
    )
    for what, mine, against, other in (
        (f"CPU of a page {int(many * DEPTH):,} rows down", "deep", "the first", "top"),
        (f"CPU of a list's total, of {many:,}", "big", "one of 400", "small"),
    ):
        yield Finding(
            "S8",
            f"{what}, database included",
            against,
            best[mine].cost / best[other].cost,
            hold=1.5,
            foreign=noise(best[mine], best[other]),
        )


def _path(agent_id: int) -> str:
    return f"/api/v2/agents/{agent_id}/conversations"


def _cursor_at(server: Server, talks: Installation, *, depth: int) -> str:
    """Walks there, a hundred rows a page."""
    cursor, rows = "", 0
    while rows < depth:
        query = "?limit=100" + (f"&cursor={quote(cursor)}" if cursor else "")
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}{_path(talks.agent_id)}{query}",
            headers={"Authorization": f"Bearer {talks.key}"},
        )
        with urllib.request.urlopen(request) as response:
            page = json.load(response)
        rows += len(page["data"])
        cursor = page["pagination"]["cursor"]
    return cursor


if __name__ == "__main__":
    found = list(lists(rounds=2, many=int(sys.argv[1]) if sys.argv[1:] else MANY))
    print(report.table(found))
