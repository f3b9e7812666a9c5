"""An API key's secret: `oc_live_` or `oc_test_`, 36 random base62 characters, and 6
more that are the CRC32 of all before. The checksum lets us refuse junk, and scanners
find leaked keys, without a database; it is no protection."""

import hashlib
import re
import secrets
import string
import zlib

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 36  # 214 bits: a digest needs no slow hash
_SHAPE = re.compile(r"\Aoc_(live|test)_[0-9A-Za-z]{42}\Z")


def generate(environment: str) -> str:
    """`environment` is "live" or "test"."""
    body = "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    head = f"oc_{environment}_{body}"
    return head + _checksum(head)


def is_well_formed(secret: str) -> bool:
    return bool(_SHAPE.match(secret)) and _checksum(secret[:-6]) == secret[-6:]


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def prefix(secret: str) -> str:
    """What is kept for people to tell keys apart: `oc_live_` and 4 characters."""
    return secret[:12]


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits
