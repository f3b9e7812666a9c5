"""A wrong setting ends the program with a sentence that names it."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bookbag import environment


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (lambda: environment.whole("X", 8000, least=1, most=65_535), "abc"),
        (lambda: environment.whole("X", 8000, least=1, most=65_535), "0"),
        (lambda: environment.whole("X", 8000, least=1, most=65_535), "65536"),
        (lambda: environment.whole("X", 8000, least=1, most=65_535), "-1"),
        (lambda: environment.whole("X", 8000, least=1, most=65_535), "8_0"),
        (lambda: environment.whole("X", 8000, least=1, most=65_535), "٨٠"),
        (lambda: environment.seconds("X", 1), "soon"),
        (lambda: environment.seconds("X", 1), "nan"),
        (lambda: environment.seconds("X", 1), "-1"),
        (lambda: environment.seconds("X", 1), "inf"),
        (lambda: environment.switch("X", default=True), "maybe"),
        (lambda: environment.database("X", ""), "nonsense"),
        (lambda: environment.database("X", ""), "mysql://host/name"),
        (lambda: environment.redis_url("X"), "nonsense"),
        (lambda: environment.rate("X", "30/m"), "30"),
        (lambda: environment.rate("X", "30/m"), "0/m"),
        (lambda: environment.rate("X", "30/m"), "30/0s"),
        (lambda: environment.rate("X", "30/m"), "30/w"),
        (lambda: environment.rate("X", "30/m"), "٣٠/m"),
        (lambda: environment.folder("X", Path()), "/etc/passwd/below"),
        (lambda: environment.folder("X", Path()), "/proc/nope"),
    ],
)
def test_a_wrong_value_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], given: str
) -> None:
    monkeypatch.setenv("X", given)
    with pytest.raises(SystemExit, match=r"^X[ :].+\.$"):
        read()


@pytest.mark.parametrize("given", ["", None])
def test_an_empty_variable_is_an_unset_one(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is None:
        monkeypatch.delenv("X", raising=False)
    else:
        monkeypatch.setenv("X", given)
    assert environment.whole("X", 8000) == 8000
    assert environment.switch("X", default=True) is True
    assert environment.names("X", ["a"]) == ["a"]
    assert environment.redis_url("X") == ""
    assert environment.rate("X", "30/m") == "30/m"
    assert environment.database("X", "sqlite:////tmp/x")["NAME"] == "/tmp/x"


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a.example, ,b.example ")
    assert environment.names("X", []) == ["a.example", "b.example"]


def test_a_secret_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: environment.kept_secret(path, length=20), range(40))
        )
    assert len(set(made)) == 1
    assert len(made[0]) >= 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_database_url_demands_stays_in_force(tmp_path: Path) -> None:
    """Dropped, `sslmode` would let the password travel in plain text."""
    program = (
        "from bookbag import settings;"
        "print(settings.DATABASES['default']['OPTIONS']['sslmode'])"
    )
    url = "postgres://bookbag@db.example/bookbag?sslmode=verify-full"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DATABASE_URL": url, "BOOKBAG_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "verify-full"
