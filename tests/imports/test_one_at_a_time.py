"""A workspace has one import at a time, and one that was killed hinders nobody."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from imports import lock
from imports.chatbase import Chatbase
from imports.transfer import Transfer, Watcher, Wish
from tests.conftest import make_workspace
from tests.imports.conftest import everything
from tests.imports.source import KEY, SmallChatbase, fill
from tests.installation import eventually
from workspaces.models import Workspace

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def ours(committed: None) -> Workspace:
    return make_workspace("Ours")


@pytest.fixture
def start(
    source: SmallChatbase, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts an import in a process of its own, on the database of the tests."""
    (tmp_path / "key").write_text(KEY)
    name = str(connection.settings_dict["NAME"])
    url = os.environ.get("DATABASE_URL", "")
    environment = os.environ | {
        "BOOKBAG_DATA": str(tmp_path),
        "DATABASE_URL": f"{url.rpartition('/')[0]}/{name}"
        if url
        else f"sqlite:///{name}",
    }
    begun: list[subprocess.Popen[str]] = []

    def run(workspace: Workspace, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "manage.py", "import_chatbase", "--from", source.url]
        command += ["--key-file", str(tmp_path / "key")]
        command += ["--workspace", str(workspace.pk), *options]
        begun.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return begun[-1]

    yield run
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Gate:
    """Holds a request up until whoever asked is dead."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: Any) -> None:
        self.reached.set()
        assert self.open.wait(120)
        request.close_connection = True


def is_free(workspace: Workspace) -> bool:
    try:
        with lock.held(workspace.pk):
            return True
    except lock.Busy:
        return False


def transfer(source: SmallChatbase, workspace: Workspace) -> Transfer:
    client = Chatbase(source.url, KEY)
    return Transfer(workspace, client, Wish(), watcher=Watcher())


def test_the_second_is_refused_and_the_killed_one_gone_on_with(
    source: SmallChatbase, ours: Workspace, start: Callable
) -> None:
    fill(source)
    elsewhere = make_workspace("Undisturbed")
    transfer(source, elsewhere).run()
    requests = len(source.asked)
    for number in (6, 4):
        gate = Gate()
        source.asked.clear()
        source.faults = {number: gate}
        first = start(ours)
        assert gate.reached.wait(120)
        with pytest.raises(lock.Busy):
            transfer(source, ours).run()
        first.send_signal(signal.SIGKILL)
        first.wait()
        gate.open.set()
        # PostgreSQL has yet to hear that whoever had it is gone.
        eventually(lambda: is_free(ours))
    source.asked.clear()
    transfer(source, ours).run()
    assert everything(ours) == everything(elsewhere)
    assert len(source.asked) < requests - 4  # it went on, and did not begin anew


def test_the_second_is_told_so_in_a_sentence(ours: Workspace, start: Callable) -> None:
    with lock.held(ours.pk):
        second = start(ours)
        _, said = second.communicate(timeout=120)
    assert second.returncode == 1
    assert "Another import into “Ours” is running." in said


def test_another_workspaces_import_is_no_hindrance(ours: Workspace) -> None:
    theirs = make_workspace("Theirs")
    with (
        lock.held(ours.pk),
        lock.held(theirs.pk),
        pytest.raises(lock.Busy),
        in_another_thread(ours),
    ):
        pass
    with in_another_thread(ours):
        pass


class in_another_thread:  # noqa: N801  (reads like one)
    """Holds the lock on a thread of its own, which has a connection of its own."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.problem: BaseException | None = None
        self.ready, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        try:
            with lock.held(self.workspace.pk):
                self.ready.set()
                self.over.wait(120)
        except lock.Busy as problem:
            self.problem = problem
        finally:
            self.ready.set()
            connection.close()

    def __enter__(self) -> None:
        self.thread.start()
        assert self.ready.wait(120)
        if self.problem:
            self.__exit__()
            raise self.problem

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


@pytest.mark.postgres
def test_a_lock_that_went_with_its_connection_is_not_relied_on(
    ours: Workspace,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's lock is a file's")
    with lock.held(ours.pk) as check:
        check()
        connection.close()  # as a network does
        eventually(lambda: is_free(ours))
        with in_another_thread(ours), pytest.raises(lock.Busy):
            check()
        check()
