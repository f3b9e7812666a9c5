"""What PostgreSQL uses for us, which is in processes that are not our server's."""

from collections.abc import Callable

import psycopg

from bench import measure


def postmaster(url: str) -> int:
    """The process whose children are PostgreSQL's connections."""
    with psycopg.connect(url) as connection:
        (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        stat = (measure.PROC / str(backend) / "stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])


def included(
    run: Callable[[], measure.Sample], postmaster: int
) -> Callable[[], measure.Sample]:
    """The run, with what the database used for it."""

    def both() -> measure.Sample:
        before = measure.cpu_of_tree(postmaster)
        sample = run()
        sample.cpu += measure.cpu_of_tree(postmaster) - before
        return sample

    return both
