"""How much our own columns hold."""

from django.db.models import Model


def longest(model: type[Model], name: str) -> int:
    most = model._meta.get_field(name).max_length  # type: ignore[union-attr]
    assert most is not None
    return most
