"""What has happened, for those who want to be told. Delivering is still to come."""

from typing import Any

from django.db import transaction

from webhooks.models import EventName, WebhookEvent


def record(workspace_id: int, name: EventName, data: dict[str, Any]) -> WebhookEvent:
    """Writes the event beside its cause: call it in that transaction."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An event is recorded in the transaction of its cause.")
    return WebhookEvent.objects.create(workspace_id=workspace_id, name=name, data=data)
