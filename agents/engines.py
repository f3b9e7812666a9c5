"""Which engine answers for a model's name."""

import functools
from collections.abc import Callable

from django.conf import settings

from agents.engine.base import Engine, EngineError
from agents.engine.embedded import EmbeddedEngine

EMBEDDED = "embedded"


@functools.cache
def _embedded() -> Engine:
    return EmbeddedEngine(
        pace=settings.EMBEDDED_PACE, longest=settings.EMBEDDED_LONGEST
    )


ENGINES: dict[str, Callable[[], Engine]] = {EMBEDDED: _embedded}


def engine_for(model: str) -> Engine:
    """Raises EngineError for a model that this installation does not have."""
    if model not in ENGINES:
        raise EngineError("bad_request", f"There is no model called “{model}” here.")
    return ENGINES[model]()


def is_known(model: str) -> bool:
    """Whether this installation has such a model."""
    return model in ENGINES
