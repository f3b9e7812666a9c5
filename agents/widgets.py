"""How an agent shows itself on other people's sites: the row that keeps it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents.models import Agent, Widget
from bookbag.api.errors import InvalidBody

MERGED = ("styles", "lead_form")
MOST_STYLES = 50


def locked(agent: Agent) -> Widget:
    """The agent's widget, made if there is none, and nobody else's to change before the
    present transaction ends."""
    widgets = Widget.objects.for_workspace(agent.workspace_id)
    widgets.get_or_create(agent=agent, defaults={"workspace_id": agent.workspace_id})
    return widgets.select_for_update().get(agent=agent)


def change(agent: Agent, settings: Mapping[str, Any]) -> None:
    """Saves these fields of the widget. None is the default again; of styles and the
    lead form only what is given changes. InvalidBody where that would be too much."""
    with transaction.atomic():
        widget = locked(agent)
        for name, value in settings.items():
            if value is None:
                value = getattr(Widget(), name)
            elif name in MERGED:
                value = merged(getattr(widget, name), value)
            setattr(widget, name, value)
        if len(widget.styles) > MOST_STYLES:
            raise InvalidBody({"styles": f"There may be {MOST_STYLES} at most."})
        widget.save(update_fields=[*settings, "updated_at"])


def merged(kept: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Both, at every level; what is given counts, and None removes."""
    both = dict(kept) if isinstance(kept, dict) else {}
    for name, value in given.items():
        if value is None:
            both.pop(name, None)
        elif isinstance(value, dict):
            both[name] = merged(both.get(name), value)
        else:
            both[name] = value
    return both
