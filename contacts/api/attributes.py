"""Custom attributes of contacts, as Chatbase's clients know them."""

from typing import Any

from rest_framework.response import Response

from agents.access import chatbot_for
from bookbag.api.clothes import ExactError
from bookbag.api.errors import InvalidBody, NotFound
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from contacts import attributes
from contacts.api import contacts_schema as schema
from contacts.api.contacts import success
from contacts.models import CustomAttribute


class CustomAttributesView(ApiView):
    @schema.custom_attributes
    def get(self, request: ApiRequest, chatbot_id: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id)
        return success([attribute_json(a) for a in agent.custom_attributes.all()])

    @schema.define
    def post(self, request: ApiRequest, chatbot_id: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id, to_write=True)
        body = schema.NewAttribute(data=request.data)
        if not body.is_valid():
            raise InvalidBody(body.errors)
        try:
            attribute = attributes.define(
                agent, **{"label": body.validated_data["name"], **body.validated_data}
            )
        except attributes.Duplicate:
            raise ExactError(
                409, "A custom attribute with this name already exists."
            ) from None
        except attributes.TooMany:
            raise ExactError(
                400, f"Maximum {attributes.MOST} custom attributes per chatbot"
            ) from None
        return success(attribute_json(attribute))


class CustomAttributeView(ApiView):
    @schema.change_attribute
    def put(self, request: ApiRequest, chatbot_id: str, name: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id, to_write=True)
        attribute = attributes.named(agent, name)
        if attribute is None:
            raise NotFound
        body = schema.AttributeChange(data=request.data)
        if not body.is_valid():
            raise InvalidBody(body.errors)
        return success(
            attribute_json(attributes.change(attribute, **body.validated_data))
        )


def attribute_json(attribute: CustomAttribute) -> dict[str, Any]:
    return {
        "name": attribute.name,
        "label": attribute.label,
        "type": attribute.type,
        "description": attribute.description,
        "archived": attribute.archived,
    }
