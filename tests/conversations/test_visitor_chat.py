"""`POST /api/v1/chat` in Bookbag's own dialect: one message in, named events out."""

import hmac
import json
from typing import Any

import httpx
import pytest

from agents import identity
from agents.engine import base
from agents.models import Agent, Widget
from apikeys.models import ApiKey
from contacts.models import Contact
from conversations.models import Conversation
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from tests.conversations.conftest import ScriptedShop, Shop

PATH = "/api/v1/chat"
Event = tuple[str, dict[str, Any]]


@pytest.fixture
def scripted_shop(scripted: ScriptedShop) -> Shop:
    return scripted(["Two ", "days."])[0]


def ask(shop: Shop, *, keyed: bool = False, **body: Any) -> httpx.Response:
    headers = body.pop("headers", {}) | (shop.headers if keyed else {})
    whole = {"agentId": shop.agent.pk, "message": "How long does it take?", **body}
    response = shop.client.post(PATH, json=whole, headers=headers)
    check_response(response, "POST", PATH)
    return response


def events(response: httpx.Response) -> list[Event]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in response.text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        payload = json.loads(data.removeprefix("data: "))
        found.append((name.removeprefix("event: "), payload))
    return found


def refusal(response: httpx.Response) -> tuple[int, str]:
    said = response.json()
    assert said["success"] is False
    assert said["error"]["message"]
    return response.status_code, said["error"]["code"]


def test_tokens_come_one_by_one_and_done_has_all(scripted_shop: Shop) -> None:
    *tokens, (name, done) = events(ask(scripted_shop))
    assert tokens == [("token", {"text": "Two "}), ("token", {"text": "days."})]
    conversation = Conversation.objects.get(agent=scripted_shop.agent)
    reply = conversation.messages.get(role="assistant")
    assert name == "done"
    assert list(done) == ["conversationId", "messageId", "text", "visitorToken"]
    assert done["conversationId"] == conversation.pk
    assert (done["messageId"], done["text"]) == (reply.pk, "Two days.")
    assert (conversation.channel, conversation.api_key) == ("widget", None)


def test_the_sources_quoted_come_before_done(shop: Shop) -> None:
    found = events(ask(shop, message="How much is shipping to Canada?"))
    assert [name for name, _ in found[-2:]] == ["citations", "done"]
    (citation,) = found[-2][1]["citations"]
    assert list(citation) == ["index", "sourceId", "title", "url", "snippet"]
    assert citation["index"] == 1
    assert citation["title"] == "Shipping"
    assert "$12" in citation["snippet"]
    assert citation["sourceId"] == shop.agent.sources.get().pk


def test_a_reply_that_breaks_off_ends_with_error(scripted: ScriptedShop) -> None:
    error = base.EngineError("unavailable", "gone", after_output=True)
    shop, _ = scripted(["Two "], error=error)
    (first, last) = events(ask(shop))
    assert first == ("token", {"text": "Two "})
    assert last[0] == "error"
    assert last[1]["code"] == "internal_error"
    assert last[1]["message"]


def test_a_visitor_continues_by_the_token_of_the_last_done(
    scripted_shop: Shop,
) -> None:
    done = events(ask(scripted_shop))[-1][1]
    go_on = {"conversationId": done["conversationId"]}
    token = done["visitorToken"]
    by_header = ask(scripted_shop, **go_on, headers={"X-Visitor-Token": token})
    assert events(by_header)[-1][1]["conversationId"] == done["conversationId"]
    by_body = ask(scripted_shop, **go_on, visitorToken=token)
    assert events(by_body)[-1][1]["conversationId"] == done["conversationId"]
    assert Conversation.objects.filter(agent=scripted_shop.agent).count() == 1


def test_without_its_token_a_conversation_is_as_missing_as_none(
    scripted_shop: Shop,
) -> None:
    mine, other = (events(ask(scripted_shop))[-1][1] for _ in "12")
    texts = set()
    for conversation, token in (
        (mine["conversationId"], None),
        (mine["conversationId"], other["visitorToken"]),
        (mine["conversationId"], mine["visitorToken"] + "x"),
        (mine["conversationId"], 7),
        (2**40, mine["visitorToken"]),
        (2**40, None),
    ):
        body = {"conversationId": conversation, "visitorToken": token}
        answer = scripted_shop.client.post(
            PATH, json={"agentId": scripted_shop.agent.pk, "message": "Hi", **body}
        )
        assert refusal(answer) == (404, "not_found")
        texts.add(answer.text)
    assert len(texts) == 1
    conversations = Conversation.objects.filter(agent=scripted_shop.agent)
    assert [c.messages.count() for c in conversations] == [2, 2]


def test_a_sweep_of_a_thousand_ids_finds_nothing(
    scripted_shop: Shop, settings: Any
) -> None:
    settings.RATE_LIMIT = settings.VISITOR_LIMIT = 10_000
    first = events(ask(scripted_shop))[-1][1]["conversationId"]
    texts = set()
    for number in range(max(1, first - 500), first + 500):
        answer = scripted_shop.client.post(
            PATH,
            json={
                "agentId": scripted_shop.agent.pk,
                "message": "Hi",
                "conversationId": number,
            },
        )
        texts.add((answer.status_code, answer.text))
    assert len(texts) == 1
    assert texts.pop()[0] == 404


def test_a_key_needs_no_token(scripted_shop: Shop) -> None:
    done = events(ask(scripted_shop))[-1][1]
    again = ask(scripted_shop, keyed=True, conversationId=done["conversationId"])
    assert events(again)[-1][1]["conversationId"] == done["conversationId"]
    begun = events(ask(scripted_shop, keyed=True))[-1][1]["conversationId"]
    conversation = Conversation.objects.get(pk=begun)
    assert (conversation.channel, conversation.api_key) == ("api", scripted_shop.key)


def test_a_bad_key_is_401(scripted_shop: Shop) -> None:
    for header in ("Bearer nonsense", "Basic abc", ""):
        body = {"agentId": scripted_shop.agent.pk, "message": "Hi"}
        answer = scripted_shop.client.post(
            PATH, json=body, headers={"Authorization": header}
        )
        assert refusal(answer) == (401, "unauthorized")


def test_a_draft_answers_keyed_calls_only_and_an_archived_agent_none(
    scripted_shop: Shop,
) -> None:
    agents = Agent.objects.filter(pk=scripted_shop.agent.pk)
    agents.update(status="draft")
    assert refusal(ask(scripted_shop)) == (404, "agent_not_found")
    assert events(ask(scripted_shop, keyed=True))[-1][0] == "done"
    agents.update(status="archived")
    assert refusal(ask(scripted_shop)) == (404, "agent_not_found")
    assert refusal(ask(scripted_shop, keyed=True)) == (404, "agent_not_found")


def test_foreign_sibling_and_missing_agents_are_404_alike(scripted_shop: Shop) -> None:
    own = scripted_shop.agent
    sibling = Agent.objects.create(workspace_id=own.workspace_id, name="Sibling")
    foreign = Agent.objects.create(workspace=make_workspace("Other"), name="Theirs")
    _, secret = ApiKey.objects.issue(own.workspace, label="One", agent=own)
    answers = [
        ask(
            scripted_shop,
            agentId=wanted,
            headers={"Authorization": f"Bearer {secret}"},
        )
        for wanted in (sibling.pk, foreign.pk, 2**40)
    ]
    assert {refusal(one) for one in answers} == {(404, "agent_not_found")}
    assert len({one.text for one in answers}) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message": "x" * 8_001}, "message"),
        ({"message": " \u200b"}, "message"),
        ({"message": None}, "message"),
        ({"message": 7}, "message"),
        ({"agentId": "abc"}, "agentId"),
        ({"agentId": None}, "agentId"),
        ({"agentId": True}, "agentId"),
        ({"conversationId": "x"}, "conversationId"),
        ({"model": "x" * 121}, "model"),
        ({"model": "gpt-99"}, "model"),
        ({"user_id": "x" * 256}, "user_id"),
        ({"user_metadata": "x"}, "user_metadata"),
    ],
)
def test_a_bad_body_is_a_validation_error(
    scripted_shop: Shop, change: dict[str, Any], field: str
) -> None:
    answer = ask(scripted_shop, **change)
    assert refusal(answer) == (400, "validation_error")
    assert list(answer.json()["error"]["details"]) == [field]
    assert not Conversation.objects.filter(agent=scripted_shop.agent).exists()


def test_only_a_key_may_choose_the_model(scripted_shop: Shop) -> None:
    response = ask(scripted_shop, model="embedded")
    assert refusal(response) == (400, "validation_error")
    assert "model" in response.text
    assert not Conversation.objects.filter(agent=scripted_shop.agent).exists()
    events(ask(scripted_shop, model="scripted"))  # as it would be anyway
    events(ask(scripted_shop, model="embedded", keyed=True))


def test_eight_thousand_characters_are_answered(scripted_shop: Shop) -> None:
    assert events(ask(scripted_shop, message="x" * 8_000))[-1][0] == "done"


def test_a_site_that_is_not_listed_is_refused(scripted_shop: Shop) -> None:
    agent = scripted_shop.agent
    Widget.objects.create(
        workspace_id=agent.workspace_id,
        agent=agent,
        domains=["shop.example"],
        only_allowed_domains=True,
    )
    listed = ask(scripted_shop, headers={"Origin": "https://shop.example"})
    assert events(listed)[-1][0] == "done"
    for origin in ("https://evil.example", "null", "https://shop.example.evil.example"):
        answer = ask(scripted_shop, headers={"Origin": origin})
        assert refusal(answer) == (403, "forbidden")
    assert refusal(ask(scripted_shop)) == (403, "forbidden")
    assert events(ask(scripted_shop, keyed=True))[-1][0] == "done"


def test_a_visitor_who_says_too_much_is_told_in_the_agents_words(
    scripted_shop: Shop,
) -> None:
    agent = scripted_shop.agent
    Widget.objects.create(
        workspace_id=agent.workspace_id,
        agent=agent,
        ip_limit=2,
        ip_limit_timeframe=600,
        ip_limit_message="Slow down, friend.",
    )
    for _ in range(2):
        assert events(ask(scripted_shop))[-1][0] == "done"
    answer = ask(scripted_shop)
    assert refusal(answer) == (429, "rate_limited")
    assert answer.json()["error"]["message"] == "Slow down, friend."
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert answer.headers["x-ratelimit-limit"] == "2"
    assert events(ask(scripted_shop, keyed=True))[-1][0] == "done"


def signed(agent: Agent, user_id: str) -> str:
    secret = identity.secret_of(agent)
    return hmac.new(secret.encode(), user_id.encode(), "sha256").hexdigest()


def test_a_signed_visitor_is_a_contact(scripted_shop: Shop) -> None:
    agent = scripted_shop.agent
    who = {
        "user_id": "ann",
        "user_hash": signed(agent, "ann"),
        "user_metadata": {"name": "Ann", "email": "ann@example.com", "plan": "pro"},
    }
    done = events(ask(scripted_shop, **who))[-1][1]
    conversation = Conversation.objects.get(pk=done["conversationId"])
    contact = Contact.objects.get(agent=agent)
    assert (conversation.contact, conversation.end_user) == (contact, "ann")
    assert (contact.external_id, contact.name) == ("ann", "Ann")
    assert contact.email == "ann@example.com"
    assert contact.custom_attributes == {"plan": "pro"}
    events(ask(scripted_shop, **who))
    assert Contact.objects.filter(agent=agent).count() == 1


def test_a_visitor_who_signs_in_later_is_the_conversations_contact(
    scripted_shop: Shop,
) -> None:
    agent = scripted_shop.agent
    done = events(ask(scripted_shop))[-1][1]
    conversation = Conversation.objects.get(pk=done["conversationId"])
    go_on = {
        "conversationId": conversation.pk,
        "visitorToken": done["visitorToken"],
    }

    def known() -> tuple[str | None, str | None]:
        conversation.refresh_from_db()
        contact = conversation.contact
        return contact and contact.external_id, conversation.end_user

    events(ask(scripted_shop, **go_on, user_id="ann", user_hash="0" * 64))
    assert known() == (None, None)
    for name in ("ann", "bob"):  # the first one stays
        proof = signed(agent, name)
        events(ask(scripted_shop, **go_on, user_id=name, user_hash=proof))
        assert known() == ("ann", "ann")
    events(ask(scripted_shop, **go_on))
    assert known() == ("ann", "ann")


def test_a_wrong_hash_makes_the_visitor_anonymous(scripted_shop: Shop) -> None:
    agent = scripted_shop.agent
    true = signed(agent, "ann")
    for proof in ("", "0" * 64, true[:-1], true + "0", signed(agent, "bob"), None):
        done = events(ask(scripted_shop, user_id="ann", user_hash=proof))[-1][1]
        conversation = Conversation.objects.get(pk=done["conversationId"])
        assert (conversation.contact, conversation.end_user) == (None, None)
    assert not Contact.objects.filter(agent=agent).exists()


def test_a_key_vouches_for_its_user(scripted_shop: Shop) -> None:
    done = events(ask(scripted_shop, keyed=True, user_id="ann@1"))[-1][1]
    conversation = Conversation.objects.get(pk=done["conversationId"])
    contact = Contact.objects.get(agent=scripted_shop.agent)
    assert (conversation.contact, contact.external_id) == (contact, "ann@1")
    assert conversation.end_user is None, "no user id of v2's"


def test_a_body_with_messages_is_chatbases_whatever_else_it_has(
    scripted_shop: Shop,
) -> None:
    body = {
        "chatbotId": scripted_shop.agent.pk,
        "messages": [{"role": "user", "content": "Hi"}],
        "agentId": scripted_shop.agent.pk,
        "message": "Hi",
    }
    answer = scripted_shop.client.post(PATH, json=body, headers=scripted_shop.headers)
    assert answer.json() == {"text": "Two days."}
    answer = scripted_shop.client.post(PATH, json=body)
    assert answer.json() == {"message": "No API key provided."}


def test_where_people_have_taken_over_done_has_no_message(scripted_shop: Shop) -> None:
    done = events(ask(scripted_shop, keyed=True))[-1][1]
    Conversation.objects.filter(pk=done["conversationId"]).update(status="escalated")
    ((name, last),) = events(
        ask(scripted_shop, keyed=True, conversationId=done["conversationId"])
    )
    assert (name, last["messageId"], last["text"]) == ("done", None, "")


def test_cookies_and_cors_play_no_part(scripted_shop: Shop) -> None:
    answer = ask(
        scripted_shop, headers={"Origin": "https://a.example", "Cookie": "sessionid=x"}
    )
    assert events(answer)[-1][0] == "done"
    assert not [name for name in answer.headers if "access-control" in name]


def test_a_body_in_these_words_is_refused_in_these_words(shop: Shop) -> None:
    """Whose body it is, is seen at a glance, and not by reading it as strictly."""
    start = f'{{"agentId": {shop.agent.pk}, "message": "Hi", '
    for rest in ('"message": "Hi"}', '"x": ' + "[" * 100 + "]" * 100 + "}"):
        answer = shop.client.post(
            PATH, content=start + rest, headers={"Content-Type": "application/json"}
        )
        assert refusal(answer) == (400, "validation_error"), rest
