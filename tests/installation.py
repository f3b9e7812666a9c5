"""Whole servers of one's own, in processes that can be killed.

Each has its own database (a file, or one made in the PostgreSQL of the tests), so that
nothing it leaves behind is anybody else's.
"""

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.services import free_port, stop_with_parent

ROOT = Path(__file__).resolve().parent.parent


class Installation:
    """A database and a folder, and the processes that work with them."""

    def __init__(self, folder: Path, database_url: str, **environment: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "BOOKBAG_DATA": str(folder),
            "DATABASE_URL": database_url,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.log = folder / "log"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.secrets: list[str] = []
        self.manage("migrate", "--verbosity=0")

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """Runs the code with Django set up."""
        return self.manage("shell", "--no-imports", "-c", code)

    def seed(self) -> dict[str, Any]:
        demo = json.loads(self.manage("seed_demo", "--json"))
        self.secrets += [demo["api_key"], demo["password"]]
        return demo

    def create_key(self) -> str:
        key = self.manage("create_key", "--workspace", "Northwind Outfitters").strip()
        self.secrets.append(key)
        return key

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=stop_with_parent(signal.SIGTERM),
            )
        self.processes.append(process)
        return process

    def serve(self, *options: str) -> subprocess.Popen[bytes]:
        process = self.start(str(ROOT / "manage.py"), "serve", *options)
        eventually(lambda: process.poll() is not None or self._answers())
        assert process.poll() is None, self.log.read_text()
        return process

    @contextmanager
    def other_port(self) -> Iterator[str]:
        """What is served within is another server of the same installation; the
        value is its URL."""
        mine = self.port, self.url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment["PORT"] = str(self.port)
        try:
            yield self.url
        finally:
            self.port, self.url = mine
            self.environment["PORT"] = str(self.port)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the database, seen from outside."""
        if self.database_url:
            with psycopg.connect(self.database_url) as connection:
                return connection.execute(query).fetchall()
        with closing(sqlite3.connect(self.folder / "bookbag.sqlite3")) as connection:
            return connection.execute(query).fetchall()

    def stop(self) -> None:
        for process in self.processes:
            kill(process)
        log = self.log.read_text() if self.log.exists() else ""
        assert not [one for one in self.secrets if one in log], "a secret in the log"


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kills it and all that it started, with no chance to tidy up."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def eventually(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def new_database(databases: list[str]) -> str:
    """The URL of a new database beside the tests' own; "" stands for a file."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        return ""
    databases.append(f"fault_{secrets.token_hex(4)}")
    administer(f'CREATE DATABASE "{databases[-1]}"')
    return url.rpartition("/")[0] + "/" + databases[-1]


def administer(statement: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]
