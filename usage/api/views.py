"""What was used."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rest_framework.response import Response

from apikeys.models import ApiKey
from bookbag.api import query
from bookbag.api.errors import InsufficientPermissions, InvalidBody
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from usage import rollups
from usage.api import schema
from usage.rollups import GROUPS, Period, TooManyRows

USUAL_DAYS = 30
MOST_DAYS = 366
MOST_ROWS = 10_000
# Others write dates in other ways, and date.fromisoformat() reads most of them.
_DATE = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
# The columns' names in answers.
NAMES = {
    "day": "day",
    "agent_id": "agentId",
    "api_key_id": "keyId",
    "requests": "requests",
    "replies": "replies",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "credits": "credits",
}


class UsageView(ApiView):
    @schema.usage
    def get(self, request: ApiRequest) -> Response:
        key: ApiKey = request.auth
        agent_id = _agent_id(request, key)
        period = _period(request)
        group_by = _group_by(request)
        try:
            rows = rollups.usage_of(
                key.workspace_id,
                period,
                group_by=group_by,
                agent_id=agent_id,
                api_key_id=_id(request, "keyId"),
                most=MOST_ROWS,
            )
        except TooManyRows:
            raise InvalidBody(
                {
                    "groupBy": f"That makes more than {MOST_ROWS} rows. Ask for fewer"
                    " days, for one agent or key, or group by less."
                }
            ) from None
        totals = {name: sum(row[name] for row in rows) for name in rollups.COUNTS}
        return Response(
            {
                "data": {
                    "from": period.first.isoformat(),
                    "to": period.last.isoformat(),
                    "groupBy": group_by,
                    "rows": [_row(row) for row in rows],
                    "totals": _row(totals),
                }
            }
        )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    named = {NAMES[name]: value for name, value in row.items()}
    for name in ("agentId", "keyId"):
        if name in named:
            named[name] = named[name] or None  # 0: no agent, no key
    if "day" in named:
        named["day"] = named["day"].isoformat()
    return named


def _agent_id(request: ApiRequest, key: ApiKey) -> int | None:
    """The agent to look at. A number that is no agent here has no usage: the ledger
    knows agents that have long been archived, so nobody else is asked."""
    wanted = _id(request, "agentId")
    if key.agent_id is None:
        return wanted
    if wanted not in (None, key.agent_id):
        raise InsufficientPermissions("This API key belongs to another agent.")
    return key.agent_id


def _id(request: ApiRequest, name: str) -> int | None:
    number = query.integer(request, name)
    if number is not None and number < 1:
        raise InvalidBody({name: "Must be a positive integer."})
    return number


def _period(request: ApiRequest) -> Period:
    first, last = _day(request, "from"), _day(request, "to")
    usual = timedelta(days=USUAL_DAYS - 1)
    if last is None:
        last = datetime.now(UTC).date()
    if first is None:
        first = max(last, date.min + usual) - usual
    if first > last:
        raise InvalidBody({"from": f"Must not be after {last}, the end."})
    if (last - first).days >= MOST_DAYS:
        raise InvalidBody({"from": f"Must be at most {MOST_DAYS} days before the end."})
    return Period(first, last)


def _day(request: ApiRequest, name: str) -> date | None:
    text = query.parameter(request, name)
    if text is None:
        return None
    try:
        if not _DATE.match(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidBody({name: "Must be a date such as 2026-01-31."}) from None


def _group_by(request: ApiRequest) -> Sequence[str]:
    text = query.parameter(request, "groupBy")
    words = ["day"] if text is None else text.split(",")
    if not set(words) <= set(GROUPS):
        raise InvalidBody(
            {"groupBy": f"Must be one or more of: {', '.join(GROUPS)}; with commas."}
        )
    return [name for name in GROUPS if name in words]
