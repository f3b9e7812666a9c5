"""Secrets that must be read again are not readable in the database."""

import base64
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django import Settings

from bookbag import environment, vault


@pytest.fixture(autouse=True)
def key(settings: Settings) -> str:
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    return settings.SECRETS_KEYS[0]


def test_it_works() -> None:
    encrypted = vault.encrypt(b"hush")
    assert vault.decrypt(encrypted) == b"hush"
    assert b"hush" not in encrypted
    assert base64.b64encode(b"hush") not in encrypted


def test_the_same_secret_never_looks_the_same() -> None:
    assert vault.encrypt(b"hush") != vault.encrypt(b"hush")


def test_a_database_may_give_the_bytes_as_a_memoryview() -> None:
    assert vault.decrypt(memoryview(vault.encrypt(b"hush"))) == b"hush"


def test_the_first_key_encrypts_and_all_decrypt(settings: Settings, key: str) -> None:
    before = vault.encrypt(b"before")
    newer = Fernet.generate_key().decode()
    settings.SECRETS_KEYS = [newer, key]
    after = vault.encrypt(b"after")
    assert (vault.decrypt(before), vault.decrypt(after)) == (b"before", b"after")
    settings.SECRETS_KEYS = [newer]
    assert vault.decrypt(after) == b"after"
    with pytest.raises(vault.Unreadable):
        vault.decrypt(before)
    settings.SECRETS_KEYS = [key]
    with pytest.raises(vault.Unreadable):
        vault.decrypt(after)


def test_a_missing_key_is_a_sentence_that_tells_no_secret(
    settings: Settings, key: str
) -> None:
    encrypted = vault.encrypt(b"hush")
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(vault.Unreadable, match=r"BOOKBAG_SECRETS_KEYS") as refusal:
        vault.decrypt(encrypted)
    assert str(refusal.value).endswith(".")
    assert key not in str(refusal.value)


@profile(deadline=None)
@given(st.binary(max_size=200))
def test_junk_is_never_decrypted(junk: bytes) -> None:
    with pytest.raises(vault.Unreadable):
        vault.decrypt(junk)


def test_a_changed_byte_is_noticed() -> None:
    encrypted = bytearray(vault.encrypt(b"hush"))
    for place in range(0, len(encrypted), 7):
        forged = bytes(
            byte ^ 1 if number == place else byte
            for number, byte in enumerate(encrypted)
        )
        with pytest.raises(vault.Unreadable):
            vault.decrypt(forged)


# --- BOOKBAG_SECRETS_KEYS ---------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "secret",
        "x" * 43,
        base64.b64encode(b"x" * 16).decode(),
        base64.b64encode(b"x" * 33).decode(),
        f"{base64.b64encode(b'x' * 32).decode()},nonsense",
        "ключ" * 11,
        "!" * 44,
    ],
)
def test_a_wrong_key_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
) -> None:
    if given == "x" * 43:  # is 32 bytes and two bits: as good a key as any
        given += "x"
    monkeypatch.setenv("X", given)
    with pytest.raises(SystemExit, match=r"^X must .+ 32 bytes.+\.$") as refusal:
        environment.encryption_keys("X", tmp_path / "kept")
    for part in given.split(","):
        assert part not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", ["", "="])
def test_either_spelling_of_base64_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encode: object, padding: str
) -> None:
    assert callable(encode)
    keys = [secrets.token_bytes(32) for _ in range(20)]
    given = [encode(key).decode().rstrip("=") + padding for key in keys]
    monkeypatch.setenv("X", " , ".join(given))
    read = environment.encryption_keys("X", tmp_path / "kept")
    assert [base64.urlsafe_b64decode(key) for key in read] == keys
    for key in read:
        Fernet(key)


def test_a_laptop_keeps_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("X", raising=False)
    kept = tmp_path / "kept"
    first = environment.encryption_keys("X", kept)
    assert environment.encryption_keys("X", kept) == first
    Fernet(first[0])
    assert kept.stat().st_mode & 0o077 == 0
    another = base64.b64encode(b"x" * 32).decode()
    kept.write_text(f"{another},{kept.read_text()}\n")
    assert environment.encryption_keys("X", kept)[1:] == first


def test_a_damaged_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("X", raising=False)
    (tmp_path / "kept").write_text("")
    with pytest.raises(SystemExit, match=rf"^X: {tmp_path}/kept must .+\.$"):
        environment.encryption_keys("X", tmp_path / "kept")


def test_a_program_with_a_wrong_key_ends_with_the_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import bookbag.settings"],
        env={
            **os.environ,
            "BOOKBAG_SECRETS_KEYS": "nonsense",
            "BOOKBAG_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("BOOKBAG_SECRETS_KEYS must hold keys of 32 bytes")
    assert "Traceback" not in ended.stderr
