"""Pages of contacts, on both databases: what depth and size cost.

python -m bench.contacts 100000    # contacts of the big agent
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import database, measure, peers, report
from bench.peers import Installation
from bench.report import Finding
from bench.rounds import compare, noise
from tests import services

MANY = 20_000  # contacts of the big agent, in the quick run
SIZES = {10: 300, 100: 150}  # requests a run, by contacts a page

Including = Callable[[Callable[[], measure.Sample]], Callable[[], measure.Sample]]


def contacts(
    shop: Installation | None = None, *, rounds: int, many: int = MANY
) -> Iterator[Finding]:
    for name, installed in (("SQLite", _on_sqlite), ("PostgreSQL", _on_postgres)):
        with installed(many) as (people, including), people.serve(pace=0) as server:

            def run(agent: int, size: int, page: int) -> Callable[[], measure.Sample]:
                path = f"/api/v1/chatbots/{agent}/contacts"
                request = peers.request(
                    "GET",
                    f"{path}?page={page}&per_page={size}",
                    key=people.key,  # noqa: B023  (used before the next round)
                )
                return including(  # noqa: B023
                    server.answering("200", request, count=SIZES[size])  # noqa: B023
                )

            small = people.facts["small_agent_id"]
            runs = {
                ("small", 10): run(small, 10, 1),
                **{
                    (where, size): run(people.agent_id, size, page)
                    for size in SIZES
                    for where, page in (("first", 1), ("last", many // size))
                },
            }
            for warm in runs.values():
                warm()
            best = compare(runs, rounds=rounds)
        for size in SIZES:
            first, last = best["first", size], best["last", size]
            yield Finding(
                "contacts",
                f"CPU of {size} contacts, {many - size:,} down, on {name}",
                "the first",
                last.cost / first.cost,
                hold=1.5,
                foreign=noise(first, last),
            )
        one, other = best["first", 10], best["small", 10]
        yield Finding(
            "contacts",
            f"CPU of the first 10 of {many:,} contacts, on {name}",
            "of few",
            one.cost / other.cost,
            hold=1.5,
            foreign=noise(one, other),
        )


@contextmanager
def _on_sqlite(many: int) -> Iterator[tuple[Installation, Including]]:
    with TemporaryDirectory(prefix="bookbag-bench-") as folder:
        yield Installation(Path(folder), filling=("bench.people", str(many))), _alone


@contextmanager
def _on_postgres(many: int) -> Iterator[tuple[Installation, Including]]:
    with services.postgres() as url, TemporaryDirectory(prefix="bookbag-bench-") as at:
        filling = ("bench.people", str(many))
        people = Installation(Path(at), database=url, filling=filling)
        postmaster = database.postmaster(url)
        yield people, lambda run: database.included(run, postmaster)


def _alone(run: Callable[[], measure.Sample]) -> Callable[[], measure.Sample]:
    return run


if __name__ == "__main__":
    found = list(contacts(rounds=2, many=int(sys.argv[1]) if sys.argv[1:] else MANY))
    print(report.table(found))
