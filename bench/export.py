"""S9: the export of a large agent, against bare psycopg that reads the same rows.

    python -m bench.export [--conversations 100000] [--rounds 2] [--gate]

Not one of `make bench`: it starts a PostgreSQL of its own and fills it with ten
messages a conversation, a million and half a gigabyte of them by default. After that
it reads the whole export once more as lines, parses each, and holds the two equal.
"""

import argparse
import hashlib
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import psycopg

from bench import measure, report
from bench.peers import CORES, BenchError, Installation, Server
from bench.questions import KNOWN
from bench.report import Finding
from tests import services

PAIRS = 5  # of a question and its answer in a conversation
CHUNK = 64 * 1024
PATIENCE = 900  # seconds for an export
OPENING = b'{"data":['


class Archive(Installation):
    """A Bookbag on PostgreSQL whose agent has answered the same question very often."""

    def __init__(self, folder: Path, url: str, *, conversations: int) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "BOOKBAG_DATA": str(folder),
            "DATABASE_URL": url,
            "REDIS_URL": "",
            "BOOKBAG_LOG_LEVEL": "WARNING",
        }
        self._python("manage.py", "migrate", "--verbosity=0")
        facts = json.loads(self._python("-m", "bench.workspace"))
        self.agent_id: int = facts["agent_id"]
        self.key: str = facts["key"]
        with self.serve(pace=0) as server:
            # Rows of the real thing, to make copies of.
            server.load(self.chat(KNOWN, stream=False), count=1, connections=1)
        with psycopg.connect(url, autocommit=True) as database:
            _multiply(database, agent=self.agent_id, conversations=conversations)
            self.conversations, self.messages = _count(database, agent=self.agent_id)

    def bare(self) -> "Reading":
        """The same rows through a server-side cursor, in a process of their own."""
        before = _cpu_of_all()
        said = json.loads(self._python("-m", "bench.export", "--bare"))
        return Reading(**said, cpu_of_all=_cpu_of_all() - before)


@dataclass(slots=True)
class Reading:
    """What a way to read it all has cost."""

    seconds: float
    cpu: float  # seconds, of the reading process
    messages: int
    cpu_of_all: float = 0.0  # with the database's
    first_byte: float = 0.0
    first_conversation: float = 0.0
    memory: int = 0  # bytes at the peak, over what there was before
    size: int = 0
    digest: str = ""
    foreign: float = 0.0


def export(archive: Archive, *, rounds: int) -> Iterator[Finding]:
    ours, bare = [], []
    with archive.serve(pace=0) as server:
        _settle(server.pid)
        warm = _export(archive, server, _discard)  # nor has the database read anything
        for _ in range(rounds):
            bare.append(archive.bare())
            ours.append(_export(archive, server, _discard))
        lines = _check_lines(archive, server)
    if {one.digest for one in [warm, *ours]} != {lines.digest}:
        raise BenchError("The document and the lines do not say the same.")
    if {one.messages for one in [lines, *bare]} != {archive.messages}:
        raise BenchError(f"Not all {archive.messages} messages were read.")
    best, least = (min(some, key=lambda one: one.seconds) for some in (ours, bare))
    foreign = max(best.foreign, least.foreign)
    size = f"{archive.conversations:,} conversations, {archive.messages:,} messages"
    yield Finding(
        "S9",
        f"time of an export: {size}, {best.size / 1e6:.0f} MB",
        "psycopg alone, the same rows",
        best.seconds / least.seconds,
        hold=1 / 0.7,
        foreign=foreign,
    )
    for what, ratio in (
        (
            "CPU of an export, the database's included",
            _least_of("cpu_of_all", ours, bare),
        ),
        ("CPU of an export, without the database's", _least_of("cpu", ours, bare)),
    ):
        yield Finding(
            "S9", what, "psycopg alone, the same rows", ratio, foreign=foreign
        )
    yield Finding(
        "S9",
        "memory at the peak, over what there was before",
        "30 MB",
        max(one.memory for one in [warm, *ours]) / 30e6,
        hold=1.0,
    )
    yield Finding("S9", "first byte", "300 ms", best.first_byte / 0.3, hold=1.0)
    yield Finding(
        "S9", "first conversation", "300 ms", best.first_conversation / 0.3, hold=1.0
    )


def _least_of(what: str, ours: list[Reading], bare: list[Reading]) -> float:
    mine, theirs = (min(getattr(one, what) for one in some) for some in (ours, bare))
    return mine / theirs


# --- Rows ---------------------------------------------------------------------


def _multiply(database: psycopg.Connection, *, agent: int, conversations: int) -> None:
    """Copies of the newest conversation, with its question and answer over and over."""
    (one,) = _row(database, "SELECT max(id) FROM conversations_conversation")
    # References and counters need not be looked after a million times.
    database.execute("SET session_replication_role = replica")
    database.execute(
        _copy(
            database,
            "conversations_conversation",
            {"title": "row.title || ' ' || n", "end_user": "'user_' || n % 5000"},
            f"generate_series(1, {conversations}) n WHERE row.id = {one} ORDER BY n",
        )
    )
    database.execute(
        _copy(
            database,
            "conversations_message",
            {
                "conversation_id": "c.id",
                "text": "row.text || ' (' || c.id || ')'",
                "answers_id": "NULL",
            },
            f"conversations_conversation c, generate_series(1, {PAIRS}) n"
            f" WHERE row.conversation_id = {one} AND c.agent_id = {agent}"
            f" AND c.id > {one} ORDER BY c.id, n, row.id",
        )
    )
    for table in ("conversations_conversation", "conversations_message"):
        database.execute(f"VACUUM ANALYZE {table}")


def _copy(
    database: psycopg.Connection, table: str, changed: dict[str, str], rest: str
) -> str:
    columns = [
        name
        for (name,) in database.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            " AND column_name <> 'id' AND is_generated = 'NEVER'",
            [table],
        )
    ]
    values = [changed.get(name, f"row.{name}") for name in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"
        f" FROM {table} row, {rest}"
    )


def _count(database: psycopg.Connection, *, agent: int) -> tuple[int, int]:
    (conversations,) = _row(
        database,
        f"SELECT count(*) FROM conversations_conversation WHERE agent_id = {agent}",
    )
    (messages,) = _row(database, f"SELECT count(*) {_JOINED.format(agent=agent)}")
    return conversations, messages


def _row(database: psycopg.Connection, statement: str) -> tuple[int, ...]:
    row = database.execute(statement).fetchone()
    assert row is not None
    return row


# --- Readings -----------------------------------------------------------------

_JOINED = (
    "FROM conversations_conversation c JOIN conversations_message m"
    " ON m.conversation_id = c.id WHERE c.agent_id = {agent}"
)
_BARE = (
    "SELECT c.id, c.title, c.created_at, c.updated_at, c.end_user, c.status,"
    " m.id, m.role, m.text, m.created_at, m.feedback, m.author_id, m.finish_reason,"
    f" m.credits, m.citations::text, m.score {_JOINED} ORDER BY c.id, m.id"
)


def read_bare(url: str) -> Reading:
    """Of the agent that has the most: every column that the export shows."""
    os.sched_setaffinity(0, {CORES[0]})  # as the server
    with psycopg.connect(url) as database:
        (agent,) = _row(
            database,
            "SELECT agent_id FROM conversations_conversation"
            " GROUP BY agent_id ORDER BY count(*) DESC LIMIT 1",
        )
        began, cpu, messages = time.monotonic(), time.process_time(), 0
        with database.cursor("bare") as cursor:
            cursor.itersize = 5_000
            cursor.execute(_BARE.format(agent=agent))
            for _ in cursor:
                messages += 1
    return Reading(time.monotonic() - began, time.process_time() - cpu, messages)


def _export(
    archive: Archive,
    server: Server,
    take: Callable[[bytes], None],
    *,
    accept: str = "application/json",
) -> Reading:
    """One export. The digest is that of the conversations, whatever is around them."""
    _forget_peak(server.pid)
    before, digest = measure.rss(server.pid), hashlib.sha256()
    used = _cpu_of_all()
    reading = Reading(0.0, 0.0, 0)
    head = tail = b""
    with (
        measure.measuring(server.pid) as sample,
        _asked(archive, server, accept) as (
            response,
            began,
        ),
    ):
        while chunk := response.read1(CHUNK):
            now = time.monotonic() - began
            reading.first_byte = reading.first_byte or now
            reading.size += len(chunk)
            take(chunk)
            if reading.size > len(OPENING) and not reading.first_conversation:
                reading.first_conversation = now
            if len(head) < len(OPENING):
                head += chunk
                chunk = head if len(head) >= len(OPENING) else b""
                chunk = chunk.removeprefix(OPENING)
            # What comes last is not known to be the last.
            tail += chunk
            if len(tail) > CHUNK:
                digest.update(_as_lines(tail[:-CHUNK]))
                tail = tail[-CHUNK:]
    digest.update(_as_lines(tail.rpartition(b'],"pagination"')[0] or tail.rstrip()))
    reading.seconds, reading.cpu = sample.seconds, sample.cpu
    reading.cpu_of_all = _cpu_of_all() - used
    reading.foreign = sample.foreign
    reading.memory = _peak(server.pid) - before
    reading.digest = digest.hexdigest()
    return reading


def _as_lines(conversations: bytes) -> bytes:
    """Commas and line ends are the only difference, and a cut may go through them."""
    return conversations.replace(b"\n", b",")


def _check_lines(archive: Archive, server: Server) -> Reading:
    """The export as lines, each of which is parsed."""
    conversations = messages = 0
    last, left = 0, b""

    def take(chunk: bytes) -> None:
        nonlocal conversations, messages, last, left
        *lines, left = (left + chunk).split(b"\n")
        for line in lines:
            conversation = orjson.loads(line)
            if not last < int(conversation["id"]):
                raise BenchError("The conversations are not in order.")
            last = int(conversation["id"])
            conversations += 1
            messages += len(conversation["messages"])

    reading = _export(archive, server, take, accept="application/x-ndjson")
    if left or conversations != archive.conversations:
        raise BenchError(f"{conversations} of {archive.conversations} conversations.")
    reading.messages = messages
    return reading


@contextmanager
def _asked(
    archive: Archive, server: Server, accept: str
) -> Iterator[tuple[http.client.HTTPResponse, float]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        began = time.monotonic()
        connection.request(
            "GET",
            f"/api/v2/agents/{archive.agent_id}/conversations/export",
            headers={"Authorization": f"Bearer {archive.key}", "Accept": accept},
        )
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise BenchError(f"The export answered {response.status}.")
        yield response, began
    finally:
        connection.close()


def _discard(chunk: bytes) -> None:
    pass


def _cpu_of_all() -> float:
    """Seconds of CPU that everything has used that was started here."""
    return measure.cpu_of_tree(os.getpid()) - time.process_time()


def _settle(pid: int) -> None:
    """Until the models that a server loads at its start are in memory."""
    before, now = 0, measure.rss(pid)
    while now != before:
        time.sleep(3)
        before, now = now, measure.rss(pid)


def _forget_peak(pid: int) -> None:
    (measure.PROC / str(pid) / "clear_refs").write_text("5")


def _peak(pid: int) -> int:
    """The most memory that the process had since its peak was forgotten."""
    status = (measure.PROC / str(pid) / "status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.export", description=__doc__)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--gate", action="store_true", help="fail where it misses")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare:
        reading = read_bare(os.environ["DATABASE_URL"])
        fields = ("seconds", "cpu", "messages")
        print(json.dumps({name: getattr(reading, name) for name in fields}))
        return 0
    with (
        TemporaryDirectory(prefix="bookbag-bench-") as folder,
        services.postgres() as url,
    ):
        print("filling …", file=sys.stderr, flush=True)
        archive = Archive(Path(folder), url, conversations=chosen.conversations)
        print("reading …", file=sys.stderr, flush=True)
        findings = list(export(archive, rounds=chosen.rounds))
    print(report.table(findings))
    report.keep(findings, rounds=chosen.rounds)
    broken = [one for one in findings if one.is_broken]
    for one in broken:
        print(one.sentence(), file=sys.stderr)
    return 1 if chosen.gate and broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, services.ServiceError) as problem:
        sys.exit(f"bench: {problem}")
