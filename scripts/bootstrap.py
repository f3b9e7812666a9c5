"""Makes .venv on a bare machine and stays out of the way afterwards.

Standard library only. The annotations are quoted and the syntax is old, so that a
Python that is too old can still read this file and say so in a sentence.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)  # Django 5.2 would take 3.10; numpy and the model's runtime do not
LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"  # all of requirements.lock, and the tools
INSTALLING = "Installing what Bookbag needs into .venv (a minute, the first time)."


class CannotGoOn(Exception):
    """Why there is no .venv, and what to do about it, in sentences for a person."""


def main(arguments: "list[str] | None" = None) -> int:
    parser = argparse.ArgumentParser(description="Make .venv and install into it.")
    parser.add_argument("--dev", action="store_true", help="tools and tests as well")
    dev = parser.parse_args(arguments).dev
    try:
        check_python(sys.version_info[:3])
        bootstrap(ROOT, dev=dev)
    except CannotGoOn as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:  # a full disk, a folder that is not ours
        print(f"Set-up failed: {problem}. Mend that and run it again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up was interrupted. Run it again to finish.", file=sys.stderr)
        return 130
    return 0


def check_python(version: "tuple[int, ...]") -> None:
    if tuple(version[:2]) < OLDEST:
        needed, this = ".".join(map(str, OLDEST)), ".".join(map(str, version))
        raise CannotGoOn(
            f"Bookbag needs Python {needed} or newer, and this is Python {this}. "
            + _way_to_newer_python()
        )
    if fcntl is None:
        raise CannotGoOn("Bookbag runs on Linux and macOS. On Windows, use WSL.")


def bootstrap(root: Path, *, dev: bool = False) -> None:
    """Leave a .venv in `root` that holds what the lock names."""
    if is_ready(root, dev=dev):
        return
    with _alone(root):
        if is_ready(root, dev=dev):  # another bootstrap made it while we waited
            return
        _make(root, dev=dev)


def is_ready(root: Path, *, dev: bool = False) -> bool:
    """Whether .venv was completed from this very lock by this version of Python."""
    try:
        stamp = json.loads(_stamp(root).read_text())
    except (OSError, ValueError):
        return False
    if not _python(root).exists() or _unfinished(root).exists():
        return False
    wanted = DEV_LOCK if dev else LOCK
    return (
        isinstance(stamp, dict)
        and stamp.get("python") == _python_version()
        and stamp.get(wanted) == _digest(root / wanted)
    )


def _make(root: Path, *, dev: bool) -> None:
    uv = shutil.which("uv")
    lock = DEV_LOCK if dev else LOCK
    # A venv of another Python or of a set-up that was cut short is no ground to build
    # on; one that somebody made by hand is.
    if _unfinished(root).exists() or not _runs(root, "import sys"):
        _clear(root)
    _unfinished(root).touch()

    if not (uv and _install_with_uv(root, lock, uv=uv)):
        _install_with_pip(root, lock)

    stamp = {"python": _python_version(), lock: _digest(root / lock)}
    if dev:
        stamp[LOCK] = _digest(root / LOCK)  # the development lock holds it all
    _stamp(root).write_text(json.dumps(stamp))
    _unfinished(root).unlink()


def _install_with_uv(root: Path, lock: str, *, uv: str) -> bool:
    """Whether uv did it; pip, which may know a way that uv does not, is asked next."""
    _say(INSTALLING)
    environment = _environment_for_uv()
    make = [uv, "venv", "--quiet", "--allow-existing", "--python", _base_python()]
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "-r", lock]
    install += ["--python", str(_python(root))]
    commands = [install]
    if not _python(root).exists():
        commands.insert(0, [*make, str(root / ".venv")])
    for command in commands:
        if not _succeeds(command, root, environment):
            print("uv did not manage; trying pip instead.", file=sys.stderr)
            return False
    return True


def _install_with_pip(root: Path, lock: str) -> None:
    if not _runs(root, "import pip"):
        if importlib.util.find_spec("ensurepip") is None:
            _get_ensurepip()
        _clear(root)
        make = [_base_python(), "-m", "venv", str(root / ".venv")]
        if not _succeeds(make, root, dict(os.environ)):
            raise CannotGoOn(
                "Python could not make the folder .venv; its own words are above. "
                "Mend that and run this again."
            )
    # pip's own variables and pip.conf hold here, but for `user`, which cannot.
    environment = dict(os.environ, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    install = [str(_python(root)), "-m", "pip", "install", "--quiet", "--no-input"]
    install += ["--require-hashes", "-r", lock]
    _say(INSTALLING)
    if not _succeeds(install, root, environment):
        raise CannotGoOn(
            f"pip could not install what {lock} names; its own words are above. "
            "Bookbag needs a package index once, at set-up: check the network, or "
            "point pip at an index within reach with PIP_INDEX_URL, and run this again."
        )


def _get_ensurepip() -> None:
    """Debian and Ubuntu ship Python without the part that puts pip into a venv."""
    package = f"python{_python_version()}-venv"
    if shutil.which("apt-get") is None:
        raise CannotGoOn(
            "This Python has no ensurepip module, and .venv cannot be made without it. "
            "Install your system's package that holds it, or uv, and run this again."
        )
    if os.geteuid() != 0:
        raise CannotGoOn(
            "This machine's Python cannot make a .venv yet. Run this once, then the "
            f"same again:\n\n    sudo apt-get install -y {package}\n"
        )
    _say(f"Installing {package}, which this system keeps apart from Python.")
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", package],
    ):
        done = subprocess.run(
            command,
            env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise CannotGoOn(
                f"{done.stdout}\n`{' '.join(command)}` failed; its own words are "
                f"above. Install {package} another way and run this again."
            )


@contextlib.contextmanager
def _alone(root: Path) -> "Iterator[None]":
    """Two set-ups at once: the second waits, and finds the work done."""
    with (root / ".venv.lock").open("w") as file:
        # The installer holds it too: should we be killed, nobody may begin before it
        # has ended.
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another set-up is at work in this folder; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _clear(root: Path) -> None:
    if (root / ".venv").exists():
        shutil.rmtree(root / ".venv")
    (root / ".venv").mkdir()
    # As long as this file is there, the folder counts as half made.
    _unfinished(root).touch()


def _succeeds(command: "list[str]", root: Path, environment: "dict[str, str]") -> bool:
    # What stays open is the lock: see _alone.
    done = subprocess.run(command, cwd=root, env=environment, close_fds=False)
    return done.returncode == 0


def _runs(root: Path, code: str) -> bool:
    """Whether .venv holds this version of Python, and it can run `code`."""
    if not _python(root).exists():
        return False
    answer = subprocess.run(
        [_python(root), "-c", f"{code}; import sys; print(sys.version_info[:2])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    same = answer.stdout.strip() == str(tuple(sys.version_info[:2]))
    return answer.returncode == 0 and same


def _environment_for_uv() -> "dict[str, str]":
    """uv does not read pip's variables; whoever set them meant them all the same."""
    environment = dict(os.environ)
    for theirs, ours in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ):
        if theirs in environment:
            environment.setdefault(ours, environment[theirs])
    return environment


def _way_to_newer_python() -> str:
    for minor in range(OLDEST[1] + 8, OLDEST[1] - 1, -1):
        if shutil.which(f"python3.{minor}"):
            return f"There is a newer one: add PYTHON=python3.{minor} after `make`."
    if platform.system() == "Darwin":
        return "Install one with `brew install python` and run this again."
    return (
        "Install one from your system's packages or from python.org, then add its "
        "name after `make`: PYTHON=python3.12, for example."
    )


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # before what the programs we call have to say


def _base_python() -> str:
    # Called from inside .venv, this is the Python that .venv was made with.
    return getattr(sys, "_base_executable", None) or sys.executable


def _python_version() -> str:
    return ".".join(map(str, sys.version_info[:2]))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _python(root: Path) -> Path:
    return root / ".venv" / "bin" / "python"


def _stamp(root: Path) -> Path:
    return root / ".venv" / "bookbag-stamp.json"


def _unfinished(root: Path) -> Path:
    return root / ".venv" / "bookbag-unfinished"


if __name__ == "__main__":
    sys.exit(main())
