"""Contacts, as Chatbase's clients know them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rest_framework.response import Response
from rest_framework.serializers import Serializer

from agents.access import chatbot_for
from agents.models import Agent
from bookbag.api import query
from bookbag.api.clothes import ExactError
from bookbag.api.errors import InvalidBody, NotFound
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from contacts import pages, records
from contacts.api import contacts_schema as schema
from contacts.models import Contact

LAST_PAGE = 10**query.MAX_DIGITS


class ContactsView(ApiView):
    @schema.contacts
    def get(self, request: ApiRequest, chatbot_id: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id)
        number = _within(request, "page", 1, least=1, most=LAST_PAGE)
        size = _within(
            request, "per_page", schema.USUAL, least=schema.FEWEST, most=schema.MOST
        )
        contacts, total = pages.page(agent, number=number, size=size)
        total_pages = -(-total // size)
        return success(
            [contact_json(one) for one in contacts],
            total=total,
            pages={"page": number, "per_page": size, "total_pages": total_pages},
        )

    @schema.upsert
    def post(self, request: ApiRequest, chatbot_id: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id, to_write=True)
        given = "users" if "users" in request.data else "contacts"
        people = request.data.get(given)
        if isinstance(people, list) and len(people) > schema.MOST:
            raise ExactError(400, f"Maximum {schema.MOST} contacts per request")
        try:
            there = {} if people is None else {"users": people}
            sent = _valid(schema.NewContacts(data=there))
        except InvalidBody as error:
            if given == "contacts" and people is not None:
                raise _renamed(error) from None
            raise
        with _refusals(f"{given}."):
            contacts = records.upsert(agent, sent["users"])
        return success([contact_json(one) for one in contacts])


class ContactView(ApiView):
    @schema.contact
    def get(self, request: ApiRequest, chatbot_id: str, contact_id: str) -> Response:
        contact = _contact_for(chatbot_for(request.auth, chatbot_id), contact_id)
        return success(contact_json(contact))

    @schema.change
    def patch(self, request: ApiRequest, chatbot_id: str, contact_id: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id, to_write=True)
        contact = _contact_for(agent, contact_id)
        fields = request.data.get("data", request.data)
        if not isinstance(fields, dict):
            raise InvalidBody({"data": "Must be an object."})
        changes = _valid(schema.ContactFields(data=fields))
        with _refusals():
            contact = records.change(contact, changes)
        return success(contact_json(contact))

    @schema.delete
    def delete(self, request: ApiRequest, chatbot_id: str, contact_id: str) -> Response:
        agent = chatbot_for(request.auth, chatbot_id, to_write=True)
        with _refusals():
            contact = records.delete(_contact_for(agent, contact_id))
        return success(contact_json(contact))


def contact_json(contact: Contact) -> dict[str, Any]:
    return {
        "id": contact.public_id,
        "external_id": contact.external_id,
        "name": contact.name,
        "email": contact.email,
        "phonenumber": contact.phonenumber,
        "stripe_accounts": contact.stripe_accounts,
        "custom_attributes": contact.custom_attributes,
        "created_at": int(contact.created_at.timestamp()),
        "updated_at": int(contact.updated_at.timestamp()),
    }


def _contact_for(agent: Agent, contact_id: str) -> Contact:
    contact = records.by_external_id(agent, contact_id)
    if contact is None:
        raise NotFound
    return contact


def _valid(body: Serializer) -> Any:
    if not body.is_valid():
        raise InvalidBody(body.errors)
    return body.validated_data


def _renamed(error: InvalidBody) -> InvalidBody:
    """In the words of the one who sent `contacts`."""
    return InvalidBody(
        {f"contacts{n.removeprefix('users')}": why for n, why in error.details.items()}
    )


@contextmanager
def _refusals(path: str = "") -> Iterator[None]:
    """Says what was refused. `path` leads to the list in which the contacts stand."""
    try:
        yield
    except records.Gone:
        raise NotFound from None
    except records.Taken:
        raise ExactError(
            409,
            "Error saving chatbot contact. External ID or email already exists.",
        ) from None
    except records.Unfit as unfit:
        raise InvalidBody(
            {
                ".".join(
                    [
                        *([f"{path}{number}"] if path else []),
                        "custom_attributes",
                        *([flaw.name] if flaw.name is not None else []),
                    ]
                ): flaw.message
                for number, flaw in unfit.flaws
            }
        ) from None


def _within(
    request: ApiRequest, name: str, usual: int, *, least: int, most: int
) -> int:
    number = query.filled_integer(request, name)
    return usual if number is None else min(max(number, least), most)


def success(data: Any, **more: Any) -> Response:
    return Response({"message": "Success", "data": data, **more})
