"""What the endpoints about contacts and their attributes take and answer."""

import re
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    extend_schema_field,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from bookbag.api.fields import ListField, StrictBooleanField, StrictCharField
from bookbag.api.schema import ChatbaseErrorSerializer
from contacts import attributes
from contacts.models import ATTRIBUTE_NAME, AttributeType
from contacts.records import LONGEST_ID, is_email

MOST = 1_000  # contacts in a request, and on a page
FEWEST, USUAL = 10, 100  # on a page

# --- Bodies ---------------------------------------------------------------------------


@extend_schema_field({"type": "string", "format": "email", "maxLength": 254})
class EmailField(StrictCharField):
    default_error_messages = {"email": "Must be an e-mail address."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_email(text):
            self.fail("email")
        return text


@extend_schema_field({"type": "object", "additionalProperties": {}})
class AttributesField(serializers.Field):
    default_error_messages = {
        "invalid": "Must be an object.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class StripeAccount(serializers.Serializer):
    label = StrictCharField(max_length=255)
    stripe_id = StrictCharField(required=False, max_length=255)
    stripe_email = EmailField(required=False)


class StripeAccounts(ListField):
    """Says what is wrong with the first that does not fit: there may be a hundred
    thousand in a body."""

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        accounts = []
        for number, one in enumerate(data):
            try:
                accounts.append(self.child.run_validation(one))
            except serializers.ValidationError as flaw:
                raise serializers.ValidationError({number: flaw.detail}) from None
        return accounts


class ContactFields(serializers.Serializer):
    external_id = StrictCharField(
        required=False,
        trim_whitespace=False,
        max_length=LONGEST_ID,
        help_text="Your own id of the person, unique among the chatbot's contacts.",
    )
    name = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=255
    )
    email = EmailField(
        required=False,
        allow_null=True,
        help_text="Unique among the chatbot's contacts, whatever its case.",
    )
    phonenumber = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=64
    )
    stripe_accounts = StripeAccounts(
        child=StripeAccount(),
        required=False,
        max_length=100,
        help_text="Replaces those that are there.",
    )
    custom_attributes = AttributesField(
        required=False,
        help_text="Replaces those that are there, but for values of archived"
        f" attributes. At most {attributes.LARGEST // 1024} KiB of JSON.",
    )


class NewContact(ContactFields):
    external_id = StrictCharField(
        required=False,
        allow_null=True,
        trim_whitespace=False,
        max_length=LONGEST_ID,
        help_text="Your own id of the person. The contact that has it is changed; else"
        " one is made. Generated when absent.",
    )


class NewContacts(serializers.Serializer):
    users = ListField(
        child=NewContact(),
        min_length=1,
        max_length=MOST,
        help_text="`contacts` is taken as well.",
    )


class ContactChange(serializers.Serializer):
    data = ContactFields(help_text="Its fields may also stand in the body itself.")


@extend_schema_field(
    {"type": "string", "pattern": "^[a-zA-Z][a-zA-Z0-9_-]*$", "maxLength": 100}
)
class AttributeNameField(StrictCharField):
    default_error_messages = {
        "pattern": "Must be a letter, then letters A to Z, digits, hyphens and"
        " underscores.",
        "reserved": "Is reserved: every contact has it.",
    }

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not re.match(ATTRIBUTE_NAME, text):
            self.fail("pattern")
        if text.lower() in attributes.RESERVED:
            self.fail("reserved")
        return text


class NewAttribute(serializers.Serializer):
    name = AttributeNameField(max_length=100, trim_whitespace=False)
    label = StrictCharField(
        required=False, max_length=200, help_text="How people see it. Else the name."
    )
    type = serializers.ChoiceField(
        choices=AttributeType.values,
        default=AttributeType.TEXT.value,
        error_messages={
            "invalid_choice": f"Must be one of: {', '.join(AttributeType.values)}.",
        },
    )
    description = StrictCharField(required=False, allow_blank=True, max_length=1_000)
    archived = StrictBooleanField(default=False)


class AttributeChange(serializers.Serializer):
    label = StrictCharField(required=False, max_length=200)
    description = StrictCharField(required=False, allow_blank=True, max_length=1_000)
    archived = StrictBooleanField(
        required=False,
        help_text="An archived attribute takes no values but null; those that are there"
        " stay.",
    )


# --- Answers --------------------------------------------------------------------------


class StripeAccountItem(serializers.Serializer):
    label = serializers.CharField()
    stripe_id = serializers.CharField(required=False)
    stripe_email = serializers.CharField(required=False)


class Contact(serializers.Serializer):
    id = serializers.CharField(help_text="Bookbag's own id of it.")
    external_id = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)
    phonenumber = serializers.CharField(allow_null=True)
    stripe_accounts = StripeAccountItem(many=True)
    custom_attributes = AttributesField()
    created_at = serializers.IntegerField(help_text="Unix seconds.")
    updated_at = serializers.IntegerField(help_text="Unix seconds.")


class ContactPages(serializers.Serializer):
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()
    total_pages = serializers.IntegerField()


class Attribute(serializers.Serializer):
    name = serializers.CharField()
    label = serializers.CharField()
    type = serializers.ChoiceField(choices=AttributeType.values)
    description = serializers.CharField()
    archived = serializers.BooleanField()


CONTACT = {
    "id": "contact_41",
    "external_id": "user-7",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "phonenumber": "+44 20 7946 0000",
    "stripe_accounts": [{"label": "main", "stripe_id": "cus_Nffrf"}],
    "custom_attributes": {"plan": "pro", "seats": 12},
    "created_at": 1784712000,
    "updated_at": 1784712360,
}
SENT = {n: v for n, v in CONTACT.items() if n not in ("id", "created_at", "updated_at")}
ATTRIBUTE = {
    "name": "seats",
    "label": "Seats",
    "type": "number",
    "description": "How many people they pay for.",
    "archived": False,
}


def _answer(name: str, data: Any, example: Any, **more: Any) -> OpenApiResponse:
    """Success, and what it is about."""
    fields = {"message": serializers.CharField(), "data": data}
    fields |= {field: serializer for field, (serializer, _) in more.items()}
    value = {"message": "Success", "data": example}
    value |= {field: shown for field, (_, shown) in more.items()}
    return OpenApiResponse(
        inline_serializer(name, fields),
        "Done.",
        examples=[OpenApiExample("Success", value=value)],
    )


def _request(body: Any, example: Any) -> OpenApiRequest:
    return OpenApiRequest(body, examples=[OpenApiExample("Such as", value=example)])


TAGS = ["contacts"]
CHATBOT_ID = schema.path_parameter(
    "chatbot_id",
    "The agent's id: the dashboard shows it.",
    {"type": "string", "pattern": "^[0-9]{1,19}$"},
)
CONTACT_ID = schema.path_parameter(
    "contact_id",
    "The `external_id` of a contact; else its `id`. Percent-encoded, as all that stands"
    " in a path.",
)
NAME = schema.path_parameter("name", "The attribute's name.")
ONE = {200: _answer("ContactAnswer", Contact(), CONTACT)}
ONE_ATTRIBUTE = {200: _answer("AttributeAnswer", Attribute(), ATTRIBUTE)}

contacts = schema.documented(
    "List contacts",
    operation_id="listContacts",
    tags=TAGS,
    description="The oldest first. What is outside of its limits is taken for the"
    " nearest within; a page beyond the last is empty.",
    answers={
        200: _answer(
            "ContactsAnswer",
            Contact(many=True),
            [CONTACT],
            total=(serializers.IntegerField(help_text="Of all pages."), 1),
            pages=(
                ContactPages(),
                {"page": 1, "per_page": USUAL, "total_pages": 1},
            ),
        )
    },
    errors=[400],
    parameters=[
        CHATBOT_ID,
        OpenApiParameter("page", {"type": "integer", "default": 1}),
        OpenApiParameter(
            "per_page",
            {"type": "integer", "default": USUAL},
            description=f"{FEWEST} to {MOST}.",
        ),
    ],
    error=ChatbaseErrorSerializer,
)
upsert = schema.documented(
    "Create or change contacts",
    operation_id="upsertContacts",
    tags=TAGS,
    description=f"1 to {MOST}, all of them or none. A contact whose `external_id` is"
    " known is changed in what is sent of it; `null` clears name, email and"
    " phonenumber. They are answered in the order in which they were sent; one that is"
    " sent twice is changed twice, and is answered twice as it is in the end.",
    request=_request(NewContacts, {"users": [SENT]}),
    answers={200: _answer("UpsertAnswer", Contact(many=True), [CONTACT])},
    errors=[409],
    parameters=[CHATBOT_ID],
    error=ChatbaseErrorSerializer,
)
contact = schema.documented(
    "One contact",
    operation_id="getContact",
    tags=TAGS,
    answers=ONE,
    parameters=[CHATBOT_ID, CONTACT_ID],
    error=ChatbaseErrorSerializer,
)
change = schema.documented(
    "Change a contact",
    operation_id="updateContact",
    tags=TAGS,
    description="Only what is sent changes; `null` clears name, email and phonenumber.",
    request=_request(
        ContactChange, {"data": {"name": "Ada King", "phonenumber": None}}
    ),
    answers=ONE,
    errors=[409],
    parameters=[CHATBOT_ID, CONTACT_ID],
    error=ChatbaseErrorSerializer,
)
delete = schema.documented(
    "Delete a contact",
    operation_id="deleteContact",
    tags=TAGS,
    description="Answers what has been deleted. The contact's conversations stay.",
    answers=ONE,
    parameters=[CHATBOT_ID, CONTACT_ID],
    error=ChatbaseErrorSerializer,
)
custom_attributes = schema.documented(
    "List custom attributes",
    operation_id="listCustomAttributes",
    tags=TAGS,
    description="By name, the archived ones too.",
    answers={200: _answer("AttributesAnswer", Attribute(many=True), [ATTRIBUTE])},
    parameters=[CHATBOT_ID],
    error=ChatbaseErrorSerializer,
)
define = schema.documented(
    "Create a custom attribute",
    operation_id="createCustomAttribute",
    tags=TAGS,
    description="Its name and type stay what they are. Values that contacts have of it"
    f" already stay too. A chatbot has {attributes.MOST} at most.",
    request=_request(NewAttribute, ATTRIBUTE),
    answers=ONE_ATTRIBUTE,
    errors=[409],
    parameters=[CHATBOT_ID],
    error=ChatbaseErrorSerializer,
)
change_attribute = schema.documented(
    "Change a custom attribute",
    operation_id="updateCustomAttribute",
    tags=TAGS,
    description="Only what is sent changes.",
    request=_request(AttributeChange, {"label": "Paid seats", "archived": True}),
    answers=ONE_ATTRIBUTE,
    parameters=[CHATBOT_ID, NAME],
    error=ChatbaseErrorSerializer,
)
