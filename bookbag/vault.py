"""Secrets of others that we must be able to read again: encrypted at rest, under keys
that are not in the database. API keys and passwords are digests, and not kept here."""

import functools

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """What was encrypted under a key that is no longer among ours, or is damaged."""

    def __init__(self) -> None:
        super().__init__(
            "A secret in the database cannot be read with the keys of"
            " BOOKBAG_SECRETS_KEYS. Put the key back under which it was written, or"
            " make the secret anew."
        )


def encrypt(secret: bytes) -> bytes:
    """Under the first key."""
    return _keys(tuple(settings.SECRETS_KEYS)).encrypt(secret)


def decrypt(encrypted: bytes) -> bytes:
    """Under whichever key it is. Unreadable."""
    try:
        return _keys(tuple(settings.SECRETS_KEYS)).decrypt(bytes(encrypted))
    except InvalidToken:
        raise Unreadable from None


def renew(encrypted: bytes) -> bytes:
    """The same secret, under the first key. Unreadable."""
    return encrypt(decrypt(encrypted))


@functools.cache
def _keys(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
