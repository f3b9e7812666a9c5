"""How much our own columns hold."""

from django.db.models import Model


def longest(model: type[Model], name: str) -> int:
    column = model._meta.get_field(name)
    most = column.max_length  # type: ignore[union-attr]  # no relation is asked for
    assert most is not None
    return most
