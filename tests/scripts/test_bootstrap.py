"""scripts/bootstrap.py, without an index: what it decides and what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bootstrap


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that holds locks, and nothing to install."""
    for lock in (bootstrap.LOCK, bootstrap.DEV_LOCK):
        (tmp_path / lock).write_text(f"# {lock}, empty\n")
    return tmp_path


@pytest.fixture
def made(checkout: Path) -> Path:
    """A checkout with the .venv that a set-up left behind."""
    binaries = checkout / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    write_stamp(checkout)
    return checkout


def write_stamp(checkout: Path, **changes: str) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = bootstrap._digest(checkout / bootstrap.LOCK)
    stamp = {"python": version, bootstrap.LOCK: digest} | changes
    (checkout / ".venv" / "bookbag-stamp.json").write_text(json.dumps(stamp))


def test_it_works(made: Path) -> None:
    assert bootstrap.is_ready(made)


@pytest.mark.parametrize("version", [(3, 6, 9), (3, 10, 14), (2, 7, 18)])
def test_an_old_python_gets_a_sentence(version: tuple[int, ...]) -> None:
    with pytest.raises(bootstrap.CannotGoOn) as refusal:
        bootstrap.check_python(version)

    said = str(refusal.value)
    assert "needs Python 3.11 or newer" in said
    assert "PYTHON=python3." in said or "brew install" in said


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 20, 0), (4, 0, 0)])
def test_a_new_python_is_welcome(version: tuple[int, ...]) -> None:
    bootstrap.check_python(version)


def test_production_is_not_enough_for_tests(made: Path) -> None:
    assert not bootstrap.is_ready(made, dev=True)


def test_a_changed_lock_is_noticed(made: Path) -> None:
    (made / bootstrap.LOCK).write_text("# another\n")

    assert not bootstrap.is_ready(made)


def test_another_python_is_noticed(made: Path) -> None:
    write_stamp(made, python="3.10")

    assert not bootstrap.is_ready(made)


def test_a_set_up_cut_short_is_noticed(made: Path) -> None:
    (made / ".venv" / "bookbag-unfinished").touch()

    assert not bootstrap.is_ready(made)


def test_a_python_gone_from_the_machine_is_noticed(made: Path) -> None:
    python = made / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(made / "nowhere")

    assert not bootstrap.is_ready(made)


@pytest.mark.parametrize("text", ["", "[]", "{", "\0"])
def test_a_spoilt_stamp_is_noticed(made: Path, text: str) -> None:
    (made / ".venv" / "bookbag-stamp.json").write_text(text)

    assert not bootstrap.is_ready(made)


def test_a_ready_checkout_is_left_alone(made: Path) -> None:
    before = sorted(made.rglob("*"))

    bootstrap.bootstrap(made)

    assert sorted(made.rglob("*")) == before


@pytest.mark.parametrize("rest", ["empty", "cut short", "broken"])
def test_a_half_made_venv_is_made_again(checkout: Path, rest: str) -> None:
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "leftover").touch()
    if rest == "cut short":
        (venv / "bin" / "python").symlink_to(sys.executable)
        (venv / "bookbag-unfinished").touch()
    elif rest == "broken":
        (venv / "bin" / "python").symlink_to(checkout / "nowhere")

    bootstrap.bootstrap(checkout, dev=True)

    assert not (venv / "leftover").exists()
    assert bootstrap.is_ready(checkout, dev=True)
    assert bootstrap.is_ready(checkout)  # the development lock holds production's
    inside = "import sys; assert sys.prefix != sys.base_prefix"
    subprocess.run([venv / "bin" / "python", "-c", inside], check=True)


def test_two_at_once_do_not_break_each_other(checkout: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from scripts import bootstrap;"
        "bootstrap.bootstrap(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(checkout)]
    both = [
        subprocess.Popen(command, cwd=bootstrap.ROOT, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]

    assert [process.wait() for process in both] == [0, 0]
    assert bootstrap.is_ready(checkout)


def test_without_venv_a_person_is_told_the_one_command(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(bootstrap.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)

    with pytest.raises(bootstrap.CannotGoOn) as refusal:
        bootstrap.bootstrap(checkout)

    major, minor = sys.version_info[:2]
    command = f"sudo apt-get install -y python{major}.{minor}-venv"
    assert command in str(refusal.value).splitlines()[-1]


def test_uv_hears_what_pip_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)

    environment = bootstrap._environment_for_uv()

    assert environment["UV_DEFAULT_INDEX"] == "https://index.example/simple"
