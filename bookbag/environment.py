"""Settings out of environment variables. A wrong value ends the program with a sentence
that says which, and what it may be: nobody needs a traceback for a typing error."""

import base64
import binascii
import os
import re
import secrets
import warnings
from pathlib import Path
from typing import Any

import environ
from redis.connection import parse_url


def text(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def names(name: str, default: list[str]) -> list[str]:
    """A list, separated by commas."""
    given = [part.strip() for part in text(name).split(",")]
    return [part for part in given if part] or default


def switch(name: str, *, default: bool) -> bool:
    given = text(name).lower()
    if given in ("", "1", "true", "on", "yes", "0", "false", "off", "no"):
        return given in ("1", "true", "on", "yes") if given else default
    raise SystemExit(f"{name} must be true or false, not “{given}”.")


def whole(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    given = text(name, str(default))
    if given.isascii() and given.isdigit() and least <= int(given) <= most:
        return int(given)
    raise SystemExit(
        f"{name} must be a whole number from {least} to {most}, not “{given}”."
    )


def seconds(name: str, default: float) -> float:
    given = text(name, str(default))
    try:
        number = float(given)
    except ValueError:
        number = -1
    if 0 <= number < 10**6:
        return number
    raise SystemExit(f"{name} must be a number of seconds, not “{given}”.")


def rate(name: str, default: str) -> str:
    """How often, as django-ratelimit reads it."""
    given = text(name, default)
    if re.fullmatch(r"[1-9][0-9]{0,5}/([1-9][0-9]{0,3})?[smhd]", given):
        return given
    raise SystemExit(
        f"{name} must be like 30/m: so many in a second (s), minute (m), hour (h) or"
        f" day (d), not “{given}”."
    )


def folder(name: str, default: Path) -> Path:
    """The folder, made if need be."""
    path = Path(text(name, str(default))).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink(missing_ok=True)
    except OSError as error:
        raise SystemExit(
            f"{name}: nothing can be written to {path} ({error.strerror}). Name a"
            f" folder that is yours, for instance {name}=~/bookbag."
        ) from None
    return path


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings of the database at a URL."""
    try:
        with warnings.catch_warnings(action="ignore"):  # the sentence below is enough
            found = environ.Env.db_url_config(text(name, default))
    except Exception:
        found = {}
    if found.get("ENGINE", "").rpartition(".")[2] in ("sqlite3", "postgresql"):
        return dict(found)
    raise SystemExit(
        f"{name} must be like postgres://user:password@host/name, or unset for SQLite."
    )


def redis_url(name: str, default: str = "") -> str:
    given = text(name, default)
    try:
        if given:
            parse_url(given)
    except ValueError:
        raise SystemExit(
            f"{name} must be like redis://host:6379/0, or unset."
        ) from None
    return given


def encryption_keys(name: str, kept: Path) -> list[str]:
    """Keys of `bookbag.vault`, the first of which encrypts; or the one kept here."""
    given = names(name, []) or kept_secret(kept, length=32).split(",")
    source = name if os.environ.get(name) else f"{name}: {kept}"
    keys = [_encryption_key(key) for key in given]
    if None not in keys:
        return [key for key in keys if key]
    # Which one is not said: it might be a password that went astray.
    raise SystemExit(
        f"{source} must hold keys of 32 bytes, in base64 and separated by commas;"
        " `openssl rand -base64 32` makes one."
    )


def _encryption_key(text: str) -> str | None:
    """In the one spelling that Fernet reads: base64 has two alphabets, and padding."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = base64.b64decode(f"{plain}=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.urlsafe_b64encode(key).decode() if len(key) == 32 else None


def kept_secret(path: Path, length: int) -> str:
    """A random text for each installation, in a file that only its owner reads."""
    while not path.exists():
        # Whole or not at all, also when two processes begin together.
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(length))
        try:
            os.link(draft, path)
        except FileExistsError:  # the other was first
            pass
        except OSError:  # a file system without links
            draft.replace(path)
        draft.unlink(missing_ok=True)
    return path.read_text()
