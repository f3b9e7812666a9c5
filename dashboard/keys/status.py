"""How a key stands, in one word, for people and for programs."""

from datetime import datetime, timedelta

from django.db import models

from apikeys.models import ApiKey

SOON = timedelta(days=7)  # time enough to put a new key in place


class KeyStatus(models.TextChoices):
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"


def status_of(key: ApiKey, *, now: datetime) -> KeyStatus:
    if key.revoked_at is not None:
        return KeyStatus.REVOKED
    if key.expires_at is None:
        return KeyStatus.ACTIVE
    if key.expires_at <= now:
        return KeyStatus.EXPIRED
    return KeyStatus.EXPIRING if key.expires_at - now <= SOON else KeyStatus.ACTIVE
