"""What a key is told of itself."""

from datetime import datetime

from django.conf import settings
from rest_framework.response import Response

from apikeys.api import schema
from apikeys.models import ApiKey
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView


class MeView(ApiView):
    @schema.me
    def get(self, request: ApiRequest) -> Response:
        key: ApiKey = request.auth
        workspace = key.workspace
        window = settings.RATE_LIMIT_WINDOW
        limit = settings.RATE_LIMIT if key.rate_limit is None else key.rate_limit
        return Response(
            {
                "data": {
                    "workspace": {"id": workspace.pk, "name": workspace.name},
                    "key": {
                        "id": key.pk,
                        "label": key.label,
                        "prefix": key.prefix,
                        "environment": key.environment,
                        "access": key.access,
                        "agentId": key.agent_id,
                        "createdAt": _seconds(key.created_at),
                        "expiresAt": _seconds(key.expires_at),
                    },
                    "limits": {
                        "requests": limit,
                        "windowSeconds": int(window)
                        if window == int(window)
                        else window,
                    },
                }
            }
        )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
