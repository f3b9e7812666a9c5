"""What is measured and what it is held against, each a process that is started here."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import measure
from bench.load import Plan, Tally
from tests.services import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds for a server to answer, or for load beyond its own patience
# The server has a core and the client the other one, where there are two.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
UVICORN = [
    "--loop",
    "uvloop",
    "--http",
    "httptools",
    "--no-access-log",
    "--backlog",
    "4096",
]


class BenchError(Exception):
    """Something did not do what was to be measured."""


class TooBusy(BenchError):
    """The machine was: another time it may be measured."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process had at a moment."""

    threads: int
    memory: int  # bytes


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers."""

    name: str
    pid: int
    port: int

    def load(self, request: str, **plan: Any) -> tuple[measure.Sample, Tally]:
        """What it cost the server, and what the client got."""
        return _load(self, Plan(port=self.port, request=request, **plan))

    def answering(
        self, status: str, request: str, *, count: int
    ) -> Callable[[], measure.Sample]:
        """A run of these requests, each of which must be answered like that."""

        def run() -> measure.Sample:
            sample, tally = self.load(request, count=count)
            if set(tally.statuses) != {status}:
                raise BenchError(
                    f"{self.name} answered {tally.statuses}, and not {status}."
                )
            return sample

        return run

    def load_streams(
        self, request: str, **plan: Any
    ) -> tuple[measure.Sample, Footprint]:
        """What a frame cost in the window in which all streams were open, and what
        they held."""
        asked = Plan(port=self.port, request=request, streams=True, **plan)
        with _client(asked) as client:
            begun = json.loads(_line(client))
            with measure.measuring(self.pid) as sample:
                held = Footprint(measure.threads(self.pid), measure.rss(self.pid))
                over = json.loads(_line(client))
            tally = _tally(client)
        if over["open"] != asked.count or tally.complete != asked.count:
            raise TooBusy(
                f"{self.name} had {over['open']} of {asked.count} streams open at once"
                f" and completed {tally.complete}. The machine may be too busy."
            )
        sample.units = max(1, over["frames"] - begun["frames"])
        return sample, held


class Installation:
    """A Bookbag of our own in a folder: SQLite, as it comes, unless `database` says
    where a PostgreSQL is. `filling` is the module that fills it."""

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "",
        filling: tuple[str, ...] = ("bench.workspace",),
    ) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "BOOKBAG_DATA": str(folder),
            "DATABASE_URL": database,
            "REDIS_URL": "",
            "BOOKBAG_LOG_LEVEL": "WARNING",
            "BOOKBAG_RATE_LIMIT": "1000000",  # floods of 401 are to stay 401
        }
        self._python("manage.py", "migrate", "--verbosity=0")
        self.facts: dict[str, Any] = json.loads(self._python("-m", *filling))
        self.agent_id: int = self.facts["agent_id"]
        self.key: str = self.facts["key"]

    @property
    def spent_key(self) -> str:
        spent: str = self.facts["spent_key"]
        return spent

    @contextmanager
    def serve(self, *, pace: float) -> Iterator[Server]:
        """Bookbag as people run it, with this many seconds between two words."""
        command = ["manage.py", "serve", "--host", "127.0.0.1", "--port"]
        port = free_port()
        with _serving("bookbag", [*command, str(port)], port, self._paced(pace)) as one:
            yield one

    @contextmanager
    def serve_on_daphne(self, *, pace: float) -> Iterator[Server]:
        command = ["-m", "daphne", "-b", "127.0.0.1", "-v", "0", "-p"]
        port = free_port()
        command += [str(port), "bookbag.asgi:application"]
        with _serving("daphne", command, port, self._paced(pace)) as one:
            yield one

    def chat(self, message: str, *, stream: bool, close: bool = False) -> str:
        body = json.dumps({"message": message, "stream": stream})
        return request(
            "POST",
            f"/api/v2/agents/{self.agent_id}/chat",
            key=self.key,
            body=body,
            close=close,
        )

    def copy_database(self, path: Path) -> None:
        """Nobody may be writing."""
        for source in self.folder.glob("bookbag.sqlite3*"):
            shutil.copy(source, str(path) + source.name.removeprefix("bookbag.sqlite3"))

    def _paced(self, pace: float) -> dict[str, str]:
        return self.environment | {
            "BOOKBAG_EMBEDDED_PACE": str(pace),
            "BOOKBAG_EMBEDDED_LONGEST": "1000",
        }

    def _python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"{arguments} failed:\n{done.stderr[-2000:]}")
        return done.stdout


@contextmanager
def floor(
    database: Path | str | None = None, application: str = "bench.floor:application"
) -> Iterator[Server]:
    """Bare ASGI under the same server."""
    port = free_port()
    command = ["-m", "uvicorn", application, *UVICORN]
    command += [
        "--backlog",
        "4096",
        "--lifespan",
        "off",
        "--log-level",
        "warning",
        "--port",
        str(port),
    ]
    environment = os.environ | {"BENCH_DATABASE": str(database or "")}
    with _serving("floor", command, port, environment) as one:
        yield one


def request(
    method: str, path: str, *, key: str = "", body: str = "", close: bool = False
) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", body])


# --- Processes ----------------------------------------------------------------


@contextmanager
def _serving(
    name: str, command: list[str], port: int, environment: dict[str, str]
) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: _pin(0),
    ) as process:
        try:
            _wait_for(process, name, port)
            yield Server(name, process.pid, port)
        finally:
            _end(process)


@contextmanager
def _client(plan: Plan) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: _pin(-1),
    ) as client:
        try:
            assert client.stdin is not None
            client.stdin.write(json.dumps(asdict(plan)))
            client.stdin.close()
            yield client
        finally:
            _end(client)


def _load(server: Server, plan: Plan) -> tuple[measure.Sample, Tally]:
    with measure.measuring(server.pid) as sample, _client(plan) as client:
        tally = _tally(client)
    sample.units = plan.count
    if tally.complete != plan.count:
        raise BenchError(
            f"{server.name} completed {tally.complete} of {plan.count}:"
            f" {tally.statuses}. The machine may be too busy."
        )
    return sample, tally


def _tally(client: "subprocess.Popen[str]") -> Tally:
    return Tally(**json.loads(_line(client)))


def _line(client: "subprocess.Popen[str]") -> str:
    assert client.stdout is not None
    if line := client.stdout.readline():
        return line
    raise BenchError("The client gave up: see above.")


def _pin(which: int) -> None:
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[which]})


def _wait_for(process: "subprocess.Popen[Any]", name: str, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise BenchError(f"{name} did not come up: see above.")


def _end(process: "subprocess.Popen[Any]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
