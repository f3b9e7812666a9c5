"""Times as API v1 writes them."""

import datetime as dt

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


def iso(moment: dt.datetime) -> str:
    """2026-11-22T07:00:00.000Z, as Chatbase has it."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def milliseconds(moment: dt.datetime) -> str:
    """As text, in what is Bookbag's own of v1."""
    return str((moment - _EPOCH) // _MILLISECOND)
