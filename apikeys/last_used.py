"""When a key was last used: noted in memory, written outside of requests.

Losing a note is acceptable; making a request wait for a write is not.
"""

import threading
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from apikeys.models import ApiKey

PRECISION = timedelta(minutes=1)  # a key's row is written at most this often
BATCH = 500  # ids in one UPDATE: databases bound the number of parameters

_noted: set[int] = set()
_lock = threading.Lock()


def note(key: ApiKey) -> None:
    used = key.last_used_at
    if used is None or timezone.now() - used >= PRECISION:
        with _lock:
            _noted.add(key.pk)


def flush() -> int:
    """Writes what was noted; says how many keys. Call it every few seconds."""
    with _lock:
        ids = sorted(_noted)
        _noted.clear()
    now = timezone.now()
    # Another process may have written in the meantime.
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - PRECISION)
    return sum(
        ApiKey.objects.filter(stale, pk__in=ids[start : start + BATCH]).update(
            last_used_at=now
        )
        for start in range(0, len(ids), BATCH)
    )
