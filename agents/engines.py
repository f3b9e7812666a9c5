"""Which engine answers for a model's name."""

import functools

from django.conf import settings

from agents.engine.base import Engine, EngineError
from agents.engine.embedded import EmbeddedEngine

EMBEDDED = "embedded"
MODELS = {EMBEDDED: "Built in: quotes the sources; no key, no network"}


@functools.cache
def _embedded() -> Engine:
    return EmbeddedEngine(pace=settings.EMBEDDED_PACE)


def engine_for(model: str) -> Engine:
    """Raises EngineError for a model that this installation does not have."""
    if model == EMBEDDED:
        return _embedded()
    raise EngineError("bad_request", f"There is no model called “{model}” here.")
