"""What the endpoints about leads take and answer, for the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from contacts.api.leads_body import LeadBody

DEFAULT_SIZE = 100
MAX_SIZE = 1_000
DAY = {"type": "string", "format": "date"}


class LeadItem(serializers.Serializer):
    id = serializers.CharField()
    agentId = serializers.IntegerField()
    conversationId = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    fields = serializers.DictField(
        help_text="All that was filled in, by its label, in the form's order.",
    )
    createdAt = serializers.CharField(help_text="Unix milliseconds.")


class ChatbaseLead(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    chatbot_id = serializers.CharField()
    account_id = serializers.CharField(help_text="The workspace's id.")


class PageOfLeads(serializers.Serializer):
    page = serializers.IntegerField()
    size = serializers.IntegerField()
    hasMore = serializers.BooleanField(help_text="Whether there is a next page.")


LEAD = {
    "id": "9",
    "agentId": 12,
    "conversationId": "41",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "phone": None,
    "fields": {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "Company": "Analytical Engines",
    },
    "createdAt": "1784712000000",
}
CHATBASE_LEAD = {
    "id": "9",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "phone": None,
    "created_at": "2026-07-22T09:20:00.000Z",
    "chatbot_id": "12",
    "account_id": "3",
}
LINES = (
    "\ufeffid,created_at,name,email,phone,conversation_id,Company\r\n"
    "9,2026-07-22T09:20:00.000Z,Ada Lovelace,ada@example.com,,41,Analytical Engines\r\n"
)


def _answer(
    name: str, description: str, value: dict[str, Any], **fields: Any
) -> dict[int, Any]:
    return {
        200: OpenApiResponse(
            inline_serializer(name, fields),
            description,
            examples=[OpenApiExample("An answer", value=value)],
        )
    }


def _page(default: int, most: int) -> list[OpenApiParameter]:
    return [
        OpenApiParameter("page", {"type": "integer", "minimum": 1, "default": 1}),
        OpenApiParameter(
            "size",
            {"type": "integer", "minimum": 1, "maximum": most, "default": default},
            description="Leads of a page.",
        ),
    ]


create = schema.documented(
    "Leave details",
    operation_id="createLead",
    tags=["leads"],
    description=(
        "For forms, and so without a key; but one that is sent must be good. Give at"
        " least one of name, email and phone, beside `fields` or among them. Those who"
        " are to be told of `lead.created` are told.\n\n"
        "Without a key, drafts do not exist, the agent must answer on the site that the"
        " `Origin` header names, one address can leave so many leads in a minute, and a"
        " conversation is named together with its `visitorToken`."
    ),
    request=OpenApiRequest(
        LeadBody,
        examples=[
            OpenApiExample(
                "A form",
                value={
                    "name": "Ada Lovelace",
                    "email": "ada@example.com",
                    "fields": {"Company": "Analytical Engines"},
                },
            ),
            OpenApiExample(
                "In a visitor's conversation",
                value={
                    "email": "ada@example.com",
                    "conversationId": 41,
                    "visitorToken": "41:1wXyZa:c2lnbmF0dXJl",
                },
            ),
        ],
    ),
    answers=_answer(
        "LeadAnswer",
        "It is kept.",
        {"success": True, "lead": LEAD},
        success=serializers.BooleanField(),
        lead=LeadItem(),
    ),
    parameters=[
        schema.AGENT_ID,
        OpenApiParameter(
            "X-Visitor-Token",
            str,
            OpenApiParameter.HEADER,
            description="The conversation's `visitorToken`, if it is not in the body.",
        ),
    ],
    optional_key=True,
    error=schema.FailureSerializer,
)

leads = schema.documented(
    "List leads",
    operation_id="listLeads",
    tags=["leads"],
    description="An agent's leads, the newest first.",
    answers=_answer(
        "LeadsAnswer",
        "A page of leads.",
        {
            "success": True,
            "leads": [LEAD],
            "pagination": {"page": 1, "size": DEFAULT_SIZE, "hasMore": False},
        },
        success=serializers.BooleanField(),
        leads=LeadItem(many=True),
        pagination=PageOfLeads(),
    ),
    errors=[400],
    parameters=[schema.AGENT_ID, *_page(DEFAULT_SIZE, MAX_SIZE)],
    error=schema.FailureSerializer,
)

export = schema.documented(
    "Export leads",
    operation_id="exportLeads",
    tags=["leads"],
    description=(
        "All leads of an agent, the newest first, as CSV in UTF-8 with a byte order"
        " mark. After the fixed columns comes one for every field ever seen; what is"
        " beyond 1,000 of them stands in a last one as JSON. A cell that a spreadsheet"
        " would take for a formula has an apostrophe in front. A workspace has one"
        " export at a time, of leads or of conversations; another is answered with 429."
    ),
    answers={
        (200, "text/csv"): OpenApiResponse(
            OpenApiTypes.STR,
            "The table.",
            examples=[OpenApiExample("One lead", value=LINES)],
        )
    },
    parameters=[schema.AGENT_ID],
    error=schema.FailureSerializer,
)

get_leads = schema.documented(
    "Get leads",
    operation_id="getLeads",
    tags=["chatbots"],
    description=(
        "A chatbot's leads, the newest first. A page that is beyond the end is empty."
    ),
    answers=_answer(
        "ChatbaseLeads",
        "A page of leads.",
        {"collectedCustomers": [CHATBASE_LEAD]},
        collectedCustomers=ChatbaseLead(many=True),
    ),
    errors=[400],
    parameters=[
        OpenApiParameter("chatbotId", str, required=True),
        OpenApiParameter("startDate", DAY, description="From this day of UTC on."),
        OpenApiParameter("endDate", DAY, description="To the end of this day of UTC."),
        *_page(DEFAULT_SIZE, MAX_SIZE),
    ],
    error=schema.ChatbaseErrorSerializer,
)
