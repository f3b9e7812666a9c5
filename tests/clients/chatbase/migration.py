"""A company moves in, with the program that it has written for Chatbase: the client
made from `openapi.yaml`, and `requests` where its answers are streamed; nothing else.

Takes address and secret as JSON, and prints every call with its answer.
"""

import io
import json
import struct
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import requests
from chatbase_client import AuthenticatedClient
from chatbase_client.api.assets import (
    delete_chatbot_icon,
    delete_chatbot_profile_picture,
    upload_chatbot_icon,
    upload_chatbot_profile_picture,
)
from chatbase_client.api.chat import chat
from chatbase_client.api.chatbots import (
    create_chatbot,
    delete_chatbot,
    get_chatbots,
    update_chatbot_data,
    update_chatbot_settings,
)
from chatbase_client.api.contacts import (
    create_contacts,
    create_custom_attribute,
    delete_contact,
    get_contact,
    get_custom_attributes,
    list_contacts,
    update_contact,
    update_custom_attribute,
)
from chatbase_client.api.conversations import get_conversations
from chatbase_client.api.leads import get_leads
from chatbase_client.models import (
    Attributes,
    AttributeType,
    Chatbot,
    ChatbotData,
    ChatbotReference,
    ChatbotSettings,
    ChatbotStatus,
    Contact,
    ContactChange,
    ContactFields,
    ConversationSource,
    CustomAttribute,
    CustomAttributeChange,
    Error,
    Icon,
    LeadForm,
    LeadFormField,
    MessageType,
    NewChatbot,
    NewContacts,
    NewCustomAttribute,
    ProfilePicture,
    Question,
    Reply,
    Role,
    Said,
    StripeAccount,
    Styles,
    StylesAlignChatButton,
    StylesTheme,
    Turn,
    Visibility,
)
from chatbase_client.types import File, Unset

T = TypeVar("T")
given = json.loads(sys.argv[1])
base_url = given["url"] + "/api/v1"
calls: list[dict[str, Any]] = []

DRAFT = "# Shipping\n\nWe ship to Canada. Delivery to Canada takes 3 days."
SHIPPING = """# Shipping

We ship to the United States, Canada and the European Union.

Delivery to Canada takes 5 to 9 business days. Delivery to Germany takes 7 to 12 days.
"""
TO_CANADA = "How long does delivery to Canada take?"
PATIENCE = 40  # seconds for a chatbot to learn a text


def note(method: str, url: str, status: int, media_type: str, text: str) -> None:
    path = url.removeprefix(base_url).partition("?")[0]
    call = {"method": method, "path": path, "status": status, "body": text}
    calls.append({**call, "type": media_type.partition(";")[0]})


def note_response(response: httpx.Response) -> None:
    response.read()
    media_type = response.headers["Content-Type"]
    method, url = response.request.method, str(response.url)
    note(method, url, response.status_code, media_type, response.text)


def client_with(secret: str) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url=base_url,
        token=secret,
        raise_on_unexpected_status=True,
        timeout=httpx.Timeout(30),
        httpx_args={"event_hooks": {"response": [note_response]}, "trust_env": False},
    )


client = client_with(given["secret"])


def good(answer: T | Error | None) -> T:
    """The answer, where it is no error."""
    assert answer is not None
    assert not isinstance(answer, Error), answer
    return answer


def refused(answer: Any) -> str:
    """What the error says."""
    assert isinstance(answer, Error), answer
    assert answer.message
    return answer.message


def png(width: int, height: int) -> File:
    """A blue picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x20\x60\xd0" * width) * height
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return File(io.BytesIO(data), file_name="blue.png", mime_type="image/png")


def chatbots() -> list[Chatbot]:
    return good(get_chatbots.sync(client=client)).chatbots


def learned(chatbot_id: str) -> Chatbot:
    """The chatbot, as soon as it has learned."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        (bot,) = (one for one in chatbots() if one.id == chatbot_id)
        if bot.status is not ChatbotStatus.TRAINING:
            assert bot.status is ChatbotStatus.READY
            return bot
        time.sleep(0.25)
    raise AssertionError("It still learns.")


# --- A chatbot, made and made anew ----------------------------------------------------

assert chatbots() == []
short = create_chatbot.sync(client=client, body=NewChatbot(chatbot_name="No"))
assert refused(short) == "Invalid request data"

made = good(
    create_chatbot.sync(
        client=client,
        body=NewChatbot(chatbot_name="Parcel help", source_text=DRAFT),
    )
)
bot_id = made.chatbot_id
bot = learned(bot_id)
assert bot.chatbot_id == bot_id
assert bot.name == bot.chatbot_name == "Parcel help"

renamed = good(
    update_chatbot_data.sync(
        client=client,
        body=ChatbotData(
            chatbot_id=bot_id, chatbot_name="Parcel desk", source_text=SHIPPING
        ),
    )
)
assert renamed == ChatbotReference(chatbot_id=bot_id)
bot = learned(bot_id)
assert bot.name == "Parcel desk"
assert [one.id for one in chatbots()] == [bot_id]


# --- Its settings -----------------------------------------------------------------

SAVED = Said(message="Your changes are saved.")
settings = ChatbotSettings(
    chatbot_id=bot_id,
    name="Parcel service",
    instructions="You help with parcels.",
    initial_messages=["Hello! How can I help you?", "Ask me about parcels."],
    suggested_messages=["How long does delivery take?", "Where is my parcel?"],
    visibility=Visibility.PRIVATE,
    domains=["example.com", "shop.example.com"],
    only_allow_on_added_domains=False,
    ip_limit=100,
    ip_limit_timeframe=3600,
    ip_limit_message="Too many messages. Please come back later.",
    model=bot.model,
    temp=0.5,
    styles=Styles(
        theme=StylesTheme.DARK,
        button_color="#2060d0",
        display_name="Parcels",
        align_chat_button=StylesAlignChatButton.LEFT,
        user_message_color="#2060d0",
        auto_open_chat_window_after=5,
    ),
    collect_customer_information=LeadForm(
        title="Let us write to you",
        name=LeadFormField(active=True, label="Full name"),
        email=LeadFormField(active=True, label="E-mail"),
        phone=LeadFormField(active=False, label="Phone"),
    ),
)
saved = update_chatbot_settings.sync_detailed(client=client, body=settings)
assert (saved.status_code, saved.parsed) == (202, SAVED)
(bot,) = chatbots()
assert bot.name == bot.chatbot_name == "Parcel service"
assert bot.instructions == "You help with parcels."
assert bot.visibility is Visibility.PRIVATE

# Only what is sent changes.
public = ChatbotSettings(chatbot_id=bot_id, visibility=Visibility.PUBLIC)
assert update_chatbot_settings.sync(client=client, body=public) == SAVED
(bot,) = chatbots()
assert (bot.visibility, bot.name) == (Visibility.PUBLIC, "Parcel service")
assert bot.instructions == "You help with parcels."


# --- Its pictures -----------------------------------------------------------------

icon = Icon(chatbot_id=bot_id, chatbot_icon_file=png(64, 64))
given_icon = good(upload_chatbot_icon.sync(client=client, body=icon))
assert given_icon.message == "Chatbot chat icon uploaded successfully."
picture = ProfilePicture(chatbot_id=bot_id, profile_picture_file=png(96, 96))
given_picture = good(upload_chatbot_profile_picture.sync(client=client, body=picture))
assert given_picture.message == "Chatbot Profile Picture uploaded successfully."
oblong = Icon(chatbot_id=bot_id, chatbot_icon_file=png(64, 32))
refused(upload_chatbot_icon.sync(client=client, body=oblong))


# --- Whom it talks to -------------------------------------------------------------


def define(name: str, kind: AttributeType, **fields: Any) -> CustomAttribute:
    body = NewCustomAttribute(name=name, type_=kind, **fields)
    answer = good(create_custom_attribute.sync(bot_id, client=client, body=body))
    assert answer.message == "Success"
    return answer.data


plan = define("plan", AttributeType.TEXT, label="Plan", description="What they pay.")
assert (plan.label, plan.description, plan.archived) == (
    "Plan",
    "What they pay.",
    False,
)
assert define("seats", AttributeType.NUMBER).label == "seats"
assert define("vip", AttributeType.BOOLEAN).type_ is AttributeType.BOOLEAN
define("since", AttributeType.DATE, label="Customer since")

twin = NewCustomAttribute(name="plan", type_=AttributeType.TEXT)
again = create_custom_attribute.sync_detailed(bot_id, client=client, body=twin)
assert again.status_code == 409
refused(again.parsed)
odd = NewCustomAttribute(name="1st", type_=AttributeType.TEXT)
refused(create_custom_attribute.sync(bot_id, client=client, body=odd))

worded = good(
    update_custom_attribute.sync(
        bot_id,
        "since",
        client=client,
        body=CustomAttributeChange(label="Since", archived=True),
    )
)
assert (worded.message, worded.data.label, worded.data.archived) == (
    "Success",
    "Since",
    True,
)
assert worded.data.type_ is AttributeType.DATE
known = good(get_custom_attributes.sync(bot_id, client=client))
assert known.message == "Success"
assert {one.name: one.archived for one in known.data} == {
    "plan": False,
    "seats": False,
    "vip": False,
    "since": True,
}


def attributes(**values: Any) -> Attributes:
    return Attributes.from_dict(values)


def upsert(*users: ContactFields) -> list[Contact]:
    body = NewContacts(users=list(users))
    answer = good(create_contacts.sync(bot_id, client=client, body=body))
    assert answer.message == "Success"
    return answer.data


ann, bob = upsert(
    ContactFields(
        external_id="cus-7",
        name="Ann",
        email="ann@example.com",
        phonenumber="+15550100",
        stripe_accounts=[
            StripeAccount(
                label="main", stripe_id="cus_123", stripe_email="ann@example.com"
            )
        ],
        custom_attributes=attributes(plan="pro", seats=3, vip="true"),
    ),
    ContactFields(external_id="cus-8", name="Bob", email="bob@example.com"),
)
assert (ann.external_id, bob.external_id) == ("cus-7", "cus-8")
assert ann.stripe_accounts[0].stripe_id == "cus_123"
assert ann.custom_attributes.to_dict() == {"plan": "pro", "seats": 3, "vip": True}
assert bob.phonenumber is None
assert bob.stripe_accounts == []

(nobody,) = upsert(ContactFields(name="Nobody in particular"))
assert nobody.external_id
(bobby,) = upsert(ContactFields(external_id="cus-8", name="Bobby"))
assert (bobby.id, bobby.name) == (bob.id, "Bobby")

for wrong in ({"seats": "many"}, {"since": "2026-01-01"}):
    user = ContactFields(external_id="cus-9", custom_attributes=attributes(**wrong))
    answer = create_contacts.sync(bot_id, client=client, body=NewContacts(users=[user]))
    refused(answer)
    assert isinstance(answer, Error)
    assert not isinstance(answer.issues, Unset)
    assert next(iter(wrong)) in answer.issues[0].field

listed = good(list_contacts.sync(bot_id, client=client, page=1, per_page=10))
assert (listed.message, listed.total) == ("Success", 3)
assert listed.pages.to_dict() == {"page": 1, "per_page": 10, "total_pages": 1}
ids = {one.external_id for one in listed.data}
assert ids == {"cus-7", "cus-8", nobody.external_id}
beyond = good(list_contacts.sync(bot_id, client=client, page=2, per_page=10))
assert beyond.data == []
assert good(list_contacts.sync(bot_id, client=client)).pages.per_page == 100

found = good(get_contact.sync(bot_id, "cus-7", client=client))
assert (found.message, found.data) == ("Success", ann)


def change(contact_id: str, **fields: Any) -> Contact | Error | None:
    body = ContactChange(data=ContactFields(**fields))
    answer = update_contact.sync(bot_id, contact_id, client=client, body=body)
    return answer if isinstance(answer, Error | None) else answer.data


moved = good(
    change("cus-7", name="Ann Lee", custom_attributes=attributes(plan="basic"))
)
assert moved.name == "Ann Lee"
assert moved.email == "ann@example.com"
assert moved.custom_attributes.to_dict() == {"plan": "basic"}
assert good(change("cus-7", phonenumber=None)).phonenumber is None
taken = "Error saving chatbot contact. External ID or email already exists."
assert refused(change("cus-7", external_id="cus-8")) == taken
assert refused(change("cus-7", email="bob@example.com")) == taken
assert refused(change("cus-0", name="Who?")) == "Resource not found"
# Without the envelope, as others send it.
bare = client.get_httpx_client().request(
    "patch", f"/chatbots/{bot_id}/contacts/cus-7", json={"name": "Ann"}
)
assert bare.json()["data"]["name"] == "Ann"

gone = good(delete_contact.sync(bot_id, nobody.external_id, client=client))
assert (gone.message, gone.data.id) == ("Success", nobody.id)
missing = get_contact.sync(bot_id, nobody.external_id, client=client)
assert refused(missing) == "Resource not found"


# --- What is said -----------------------------------------------------------------


def question(*contents: str, **fields: Any) -> Question:
    """The turns, of which every other one is the assistant's."""
    roles = [Role.USER, Role.ASSISTANT] * len(contents)
    turns = [Turn(role=role, content=text) for role, text in zip(roles, contents)]  # noqa: B905
    return Question(chatbot_id=bot_id, messages=turns, **fields)


def ask(*contents: str, **fields: Any) -> Reply:
    return good(chat.sync(client=client, body=question(*contents, **fields)))


loose = ask(TO_CANADA, temperature=0)
assert "5 to 9 business days" in loose.text
assert "3 days" not in loose.text

named: dict[str, Any] = {"conversation_id": "ticket-42", "contact_id": "cus-7"}
first = ask(TO_CANADA, **named)
TO_GERMANY = "And how long does delivery to Germany take?"
body = question(TO_CANADA, first.text, TO_GERMANY, stream=True, **named)
with requests.post(
    f"{base_url}/chat",
    json=body.to_dict(),
    headers={"Authorization": f"Bearer {given['secret']}"},
    stream=True,
    timeout=30,
) as response:
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    pieces = [piece.decode() for piece in response.iter_content(chunk_size=None)]
streamed = "".join(pieces)
media_type = response.headers["Content-Type"]
note("POST", f"{base_url}/chat", response.status_code, media_type, streamed)
assert "7 to 12 days" in streamed
assert len(pieces) > 1

unasked = Question(chatbot_id=bot_id, messages=[])
assert refused(chat.sync(client=client, body=unasked)) == "Invalid request data"


# --- What there is to read afterwards ----------------------------------------------

today = datetime.now(UTC).date()
yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
page = good(
    get_conversations.sync(
        client=client,
        chatbot_id=bot_id,
        filtered_sources="API,WhatsApp",
        start_date=yesterday,
        end_date=tomorrow,
        page="1",
        size="10",
    )
)
(conversation,) = page.data
assert conversation.id == "ticket-42"
assert conversation.chatbot_id == bot_id
assert conversation.source is ConversationSource.API
begun, last = conversation.created_at, conversation.last_message_at
assert begun <= last <= datetime.now(UTC)
assert [(one.role, one.content) for one in conversation.messages] == [
    (Role.USER, TO_CANADA),
    (Role.ASSISTANT, first.text),
    (Role.USER, TO_GERMANY),
    (Role.ASSISTANT, streamed),
]
assert {one.type_ for one in conversation.messages} == {MessageType.TEXT}
assert len({one.id for one in conversation.messages}) == 4
for others in (
    {"filtered_sources": "WhatsApp"},
    {"end_date": yesterday - timedelta(days=1)},
    {"page": "2"},
):
    none = get_conversations.sync(client=client, chatbot_id=bot_id, **others)
    assert good(none).data == []

left = httpx.post(
    f"{given['url']}/agents/{bot_id}/leads",
    json={"name": "Cy", "email": "cy@example.com", "fields": {"company": "Cy & Co"}},
    trust_env=False,
)
assert left.json()["success"] is True, left.text
leads = good(
    get_leads.sync(
        client=client,
        chatbot_id=bot_id,
        start_date=yesterday,
        end_date=tomorrow,
        page="1",
        size="10",
    )
)
(lead,) = leads.collected_customers
assert (lead.name, lead.email, lead.phone) == ("Cy", "cy@example.com", None)
assert lead.chatbot_id == bot_id
assert lead.created_at.date() in (yesterday, today, tomorrow)
assert lead.account_id
later = get_leads.sync(client=client, chatbot_id=bot_id, start_date=tomorrow)
assert good(later).collected_customers == []


# --- And away ---------------------------------------------------------------------

without_icon = good(delete_chatbot_icon.sync(client=client, chatbot_id=bot_id))
assert without_icon.message == "Chatbot icon deleted successfully."
without_picture = delete_chatbot_profile_picture.sync(client=client, chatbot_id=bot_id)
assert good(without_picture).message

stranger = get_chatbots.sync_detailed(client=client_with("wrong"))
assert stranger.status_code == 401
refused(stranger.parsed)

deleted = delete_chatbot.sync(client=client, chatbot_id=bot_id)
assert deleted == Said(message="Deleted successfully")
assert chatbots() == []
for after in (
    delete_chatbot.sync(client=client, chatbot_id=bot_id),
    chat.sync(client=client, body=question(TO_CANADA)),
    update_chatbot_settings.sync(client=client, body=public),
    get_conversations.sync(client=client, chatbot_id=bot_id),
    list_contacts.sync(bot_id, client=client),
):
    assert refused(after) == "Resource not found"

json.dump(
    {"chatbotId": bot_id, "conversationId": "ticket-42", "calls": calls}, sys.stdout
)
