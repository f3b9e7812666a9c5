"""Details that somebody leaves with an agent."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, Settings

from agents.models import Agent, AgentStatus, Widget
from apikeys.models import Access, ApiKey
from contacts import leads, visitors
from contacts.models import Lead
from conversations.models import Conversation
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from webhooks.models import WebhookEvent
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

Post = Callable[..., Any]
NOBODY = Client()


@pytest.fixture(autouse=True)
def _fresh_counts() -> Iterator[None]:
    caches["forms"].clear()
    yield
    caches["forms"].clear()


@pytest.fixture
def key(workspace: Workspace) -> Client:
    return client_of(workspace)


@pytest.fixture
def post(agent: Agent) -> Post:
    """Without a key; every answer is held against the OpenAPI document."""

    def post(
        body: Any = None,
        caller: Client = NOBODY,
        agent_id: object = agent.pk,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> Any:
        path = f"/api/v1/agents/{agent_id}/leads"
        response = caller.post(
            path,
            fields if body is None else body,
            content_type="application/json",
            headers=headers or {},
        )
        check_response(response, "POST", path)
        return response

    return post


def client_of(workspace: Workspace, **scope: Any) -> Client:
    _, secret = ApiKey.objects.issue(
        workspace, label="Tests", rate_limit=10_000, **scope
    )
    return Client(headers={"authorization": f"Bearer {secret}"})


def refusal(response: Any) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"success", "error"}
    assert body["success"] is False
    return response.status_code, body["error"]["code"]


# --- Leaving them -----------------------------------------------------------------


def test_it_works(post: Post, agent: Agent) -> None:
    response = post(email="ada@example.com", fields={"Company": "Engines"})
    assert response.status_code == 200
    lead = Lead.objects.get()
    assert response.json() == {
        "success": True,
        "lead": {
            "id": str(lead.pk),
            "agentId": agent.pk,
            "conversationId": None,
            "name": None,
            "email": "ada@example.com",
            "phone": None,
            "fields": {"email": "ada@example.com", "Company": "Engines"},
            "createdAt": str(int(lead.created_at.timestamp() * 1000)),
        },
    }
    assert (lead.agent, lead.workspace) == (agent, agent.workspace)


def test_those_who_want_to_know_are_told(post: Post, agent: Agent) -> None:
    lead = post(email="ada@example.com", fields={"Company": "Engines"}).json()["lead"]
    event = WebhookEvent.objects.get()
    assert (event.name, event.workspace) == ("lead.created", agent.workspace)
    assert event.data == {
        "leadId": lead["id"],
        "lead_id": lead["id"],
        "agentId": agent.pk,
        "agent_id": agent.pk,
        "conversationId": None,
        "conversation_id": None,
        "fields": {"email": "ada@example.com", "Company": "Engines"},
    }


def test_neither_is_kept_without_the_other(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("contacts.leads.outbox.record", fail)
    with pytest.raises(RuntimeError):
        leads.capture(agent, email="ada@example.com")
    assert not Lead.objects.exists()


@pytest.mark.parametrize("label", ["email", "Email", "EMAIL", " eMail "])
def test_name_email_and_phone_may_be_given_among_the_fields(
    post: Post, label: str
) -> None:
    lead = post(fields={"Company": "Engines", label: "ada@example.com"}).json()["lead"]
    assert lead["email"] == "ada@example.com"
    assert lead["fields"] == {"Company": "Engines", label.strip(): "ada@example.com"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"phone": "+49 170 1"}, {"phone": "+49 170 1"}),
        ({"fields": {"phone": 49170}}, {"phone": "49170"}),
        ({"name": " Ada\n"}, {"name": "Ada"}),
        ({"name": "Ada", "email": "", "phone": None}, {"name": "Ada"}),
        ({"fields": {"name": "", "Name": "Ada"}}, {"name": "Ada"}),
        ({"email": "a@b.example", "fields": None}, {"email": "a@b.example"}),
    ],
)
def test_one_of_the_three_is_enough(
    post: Post, given: dict[str, Any], kept: dict[str, str]
) -> None:
    lead = post(given).json()["lead"]
    named = {one: lead[one] for one in leads.NAMED}
    assert named == {"name": None, "email": None, "phone": None, **kept}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"fields": {}},
        {"fields": {"Company": "Engines"}},
        {"email": "", "name": " ", "phone": None},
        {"name": "\u200b"},
        {"fields": {"name": "\u200b", "email": None, "phone": True}},
        {"fields": {"user": {"email": "x"}}},
    ],
)
def test_none_of_the_three_is_not(post: Post, given: dict[str, Any]) -> None:
    assert refusal(post(given)) == (400, "validation_error")
    assert not Lead.objects.exists()


def test_what_is_given_twice_must_agree(post: Post) -> None:
    both = {"email": "a@b.example", "fields": {"E": 1, "Email": "a@b.example"}}
    assert post(both).json()["lead"]["fields"] == both["fields"]
    both = {"email": "a@b.example", "fields": {"Email": "c@d.example"}}
    response = post(both)
    assert refusal(response) == (400, "validation_error")
    assert set(response.json()["error"]["details"]) == {"email"}


def test_fields_keep_their_order(post: Post) -> None:
    """PostgreSQL's own JSON would sort them by length."""
    fields: dict[str, Any] = {
        "Zip": "1010",
        "a longer label": True,
        "B": None,
        "name": "Ada",
        "A": 1.5,
        "größe": -7,
    }
    lead = post(fields=fields).json()["lead"]
    assert list(lead["fields"].items()) == list(fields.items())
    assert list(Lead.objects.get().fields.items()) == list(fields.items())


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.com",
        "ada+news@sub.example.co.uk",
        "jörg@bücher.example",
        "o'hara@example.com",
        "用户@例子.example",
        "a" * 64 + "@example.com",
    ],
)
def test_people_have_all_sorts_of_addresses(post: Post, email: str) -> None:
    assert post(email=email).json()["lead"]["email"] == email


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@example..com",
        "ada@.example.com",
        "a da@example.com",
        "ada@example.com, b@example.com",
        "Ada <ada@example.com>",
        "ada@example.com\nBcc: b@example.com",
        "a\u00a0b@example.com",
        "a" * 250 + "@example.com",
        "ada@" + "example." * 40 + "com",
        7,
        True,
        ["ada@example.com"],
    ],
)
def test_what_is_no_address_is_refused(post: Post, email: Any) -> None:
    response = post(email=email)
    assert refusal(response) == (400, "validation_error")
    assert set(response.json()["error"]["details"]) == {"email"}
    if not isinstance(email, bool | list):
        assert refusal(post(fields={"Email": email, "name": "Ada"}))[0] == 400
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        [],
        "x",
        7,
        {"a": {}},
        {"a": []},
        {"a": [1]},
        {"": "x"},
        {" ": "x"},
        {"\u200b": "x"},
        {"a": "x", "a ": "y"},
        {"a" * 101: "x"},
        {"a": "x" * 2_001},
        {"name": "x" * 256},
        {"phone": "1" * 65},
        {str(number): "x" for number in range(51)},
    ],
)
def test_fields_are_few_plain_and_short(post: Post, fields: Any) -> None:
    assert refusal(post(email="a@b.example", fields=fields))[0] == 400
    assert not Lead.objects.exists()


def test_they_may_be_as_many_and_as_long_as_that(post: Post) -> None:
    fields = {f"{number}".rjust(100, "ä"): "ü" * 2_000 for number in range(49)}
    assert post(fields={"name": "x" * 255, **fields}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '{"email": "a@b.example\\u0000"}',
        '{"email": "a@b.example", "fields": {"a\\u0000": 1}}',
        '{"email": "a@b.example", "fields": {"a": "\\ud800"}}',
        '{"email": "a@b.example", "fields": {"a": 1e999}}',
        '{"email": "a@b.example", "fields": {"a": ' + "9" * 5_000 + "}}",
        '{"email": "a@b.example", "fields": ' + '{"a":' * 2_000 + "1" + "}" * 2_001,
        '{"email": "a@b.example", "email": "a@b.example"}',
        '{"name": "\\ud800"}',
        '{"name": NaN}',
    ],
)
def test_what_cannot_be_read_or_kept_is_refused(agent: Agent, body: str) -> None:
    response = NOBODY.post(
        f"/api/v1/agents/{agent.pk}/leads", body, content_type="application/json"
    )
    assert refusal(response) == (400, "validation_error")
    assert not Lead.objects.exists()


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
JSON = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text(max_size=5), below, max_size=3)
    ),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON,
        "email": JSON | st.just("a@b.example"),
        "phone": JSON,
        "fields": JSON | st.dictionaries(st.text(), SCALARS, max_size=60),
        "conversationId": JSON,
        "visitorToken": JSON,
    },
)


@profile(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=150,
    deadline=None,
)
@given(body=BODIES)
def test_no_body_breaks_it(key: Client, agent: Agent, body: Any) -> None:
    before = Lead.objects.count()
    response = key.post(
        f"/api/v1/agents/{agent.pk}/leads",
        json.dumps(body),
        content_type="application/json",
    )
    assert response.status_code in (200, 400, 404), response.content
    assert Lead.objects.count() - before == (response.status_code == 200)
    assert WebhookEvent.objects.count() == Lead.objects.count()
    if response.status_code == 200:
        kept = Lead.objects.latest("pk")
        assert response.json()["lead"]["fields"] == kept.fields


# --- Who may ----------------------------------------------------------------------


def test_a_key_is_not_needed_but_one_that_is_sent_must_hold(
    post: Post, workspace: Workspace
) -> None:
    key = client_of(workspace)
    assert post(name="Ada", caller=key).status_code == 200
    for wrong in ["Bearer oc_live_junk", "Basic YTpi", "", "Bearer"]:
        response = post(name="Ada", headers={"authorization": wrong})
        assert response.status_code == 401, wrong
    ApiKey.objects.get().revoke()
    assert refusal(post(name="Ada", caller=key)) == (401, "unauthorized")
    assert Lead.objects.count() == 1


def test_a_key_leaves_leads_with_its_own_agents_and_must_write(
    post: Post, workspace: Workspace, agent: Agent
) -> None:
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    bound = client_of(workspace, agent=sibling)
    assert refusal(post(name="Ada", caller=bound)) == (404, "agent_not_found")
    assert post(name="Ada", caller=bound, agent_id=sibling.pk).status_code == 200
    reader = client_of(workspace, access=Access.READ)
    assert refusal(post(name="Ada", caller=reader)) == (403, "forbidden")
    stranger = client_of(make_workspace("Elsewhere"))
    assert refusal(post(name="Ada", caller=stranger)) == (404, "agent_not_found")
    assert Lead.objects.count() == 1


def test_a_cookie_is_not_looked_at(post: Post, workspace: Workspace) -> None:
    stranger = Client()
    stranger.force_login(make_workspace("Elsewhere").members.get().user)
    assert post(name="Ada", caller=stranger).status_code == 200


def test_a_draft_takes_keyed_leads_only(post: Post, agent: Agent, key: Client) -> None:
    agent.status = AgentStatus.DRAFT
    agent.save(update_fields=["status"])
    draft = post(name="Ada")
    assert refusal(draft) == (404, "agent_not_found")
    assert draft.content == post(name="Ada", agent_id=2**40).content
    assert post(name="Ada", caller=key).status_code == 200


def test_an_archived_agent_takes_none(post: Post, agent: Agent, key: Client) -> None:
    agent.status = AgentStatus.ARCHIVED
    agent.save(update_fields=["status"])
    assert refusal(post(name="Ada")) == (404, "agent_not_found")
    assert refusal(post(name="Ada", caller=key)) == (404, "agent_not_found")


@pytest.mark.parametrize(
    "junk", ["0", "-1", "x", "1x", "١", "1.0", "%00", "9" * 30, str(2**63), "1%0A"]
)
def test_what_is_no_id_is_no_agent(post: Post, key: Client, junk: str) -> None:
    for caller in (NOBODY, key):
        response = caller.post(
            f"/api/v1/agents/{junk}/leads",
            {"name": "Ada"},
            content_type="application/json",
        )
        assert refusal(response)[0] == 404


def test_only_listed_sites_may_ask(post: Post, agent: Agent, key: Client) -> None:
    Widget.objects.create(
        workspace=agent.workspace,
        agent=agent,
        only_allowed_domains=True,
        domains=["shop.example"],
    )
    listed = {"origin": "https://shop.example"}
    assert post(name="Ada", headers=listed).status_code == 200
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {}):
        assert refusal(post(name="Ada", headers=headers)) == (403, "forbidden")
    assert post(name="Ada", caller=key).status_code == 200  # from no page at all
    assert Lead.objects.count() == 2


def test_an_address_can_leave_so_many_with_an_agent(
    post: Post, workspace: Workspace, key: Client, settings: Settings
) -> None:
    settings.LEADS_RATE = "2/d"  # of a window that hardly ever ends meanwhile
    other = Agent.objects.create(workspace=workspace, name="Other")
    answers = [post(name="Ada") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refusal(answers[2])[1] == "rate_limited"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 86_400
    assert post(name="Ada", agent_id=other.pk).status_code == 200
    assert post(name="Ada", caller=key).status_code == 200
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert post(name="Ada", caller=elsewhere).status_code == 200
    liar = {"x-forwarded-for": "192.0.2.8"}
    assert post(name="Ada", headers=liar).status_code == 429


def test_every_answer_says_how_much_is_left(post: Post) -> None:
    for response in (post(name="Ada"), post({}), post(name="Ada", agent_id=2**40)):
        assert int(response.headers["X-RateLimit-Remaining"]) >= 0
        assert response.headers["x-request-id"].startswith("req_")
        assert response.headers["Cache-Control"] == "no-store"


def test_a_refusal_tells_of_the_limit_that_was_reached(
    post: Post, settings: Settings
) -> None:
    settings.LEADS_RATE = "1/d"
    post(name="Ada")
    refused = post(name="Ada")
    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Limit"] == "1"
    assert refused.headers["X-RateLimit-Remaining"] == "0"


# --- Of a conversation --------------------------------------------------------------


@pytest.fixture
def conversation(agent: Agent) -> Conversation:
    return Conversation.objects.create(workspace=agent.workspace, agent=agent)


def test_a_lead_may_be_of_a_conversation(
    post: Post, key: Client, conversation: Conversation
) -> None:
    for named in (conversation.pk, str(conversation.pk)):
        response = post(name="Ada", conversationId=named, caller=key)
        assert response.json()["lead"]["conversationId"] == str(conversation.pk)
    told = WebhookEvent.objects.latest("pk").data
    assert told["conversationId"] == told["conversation_id"] == str(conversation.pk)


def test_a_visitor_shows_the_token(post: Post, conversation: Conversation) -> None:
    asked = {"name": "Ada", "conversationId": conversation.pk}
    token = visitors.token_for(conversation.pk)
    assert post(asked | {"visitorToken": token}).status_code == 200
    assert post(asked, headers={"x-visitor-token": token}).status_code == 200
    assert Lead.objects.filter(conversation=conversation).count() == 2
    other = visitors.token_for(conversation.pk + 1)
    for wrong in (None, "", "junk", f"{token}x", other, 7, [token]):
        response = post(asked | {"visitorToken": wrong})
        assert refusal(response) == (404, "not_found"), wrong
    assert Lead.objects.count() == 2


def test_anothers_conversation_is_none(
    post: Post, workspace: Workspace, conversation: Conversation, key: Client
) -> None:
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    elsewhere = make_workspace("Elsewhere")
    theirs = Agent.objects.create(workspace=elsewhere, name="Theirs")
    others = [
        Conversation.objects.create(workspace=workspace, agent=sibling).pk,
        Conversation.objects.create(workspace=elsewhere, agent=theirs).pk,
        2**40,
    ]
    refusals = set()
    for other in others:
        body = {"name": "Ada", "conversationId": other}
        token = {"x-visitor-token": visitors.token_for(other)}
        for response in (post(body, caller=key), post(body, headers=token), post(body)):
            assert refusal(response) == (404, "not_found")
            refusals.add(response.content)
    assert len(refusals) == 1
    assert not Lead.objects.exists()


def test_the_conversation_comes_before_the_rest_of_the_body(
    post: Post, key: Client, conversation: Conversation
) -> None:
    wrong = {"email": "junk", "conversationId": 2**40}
    assert refusal(post(wrong, caller=key))[0] == 404
    wrong["conversationId"] = conversation.pk
    assert refusal(post(wrong, caller=key))[0] == 400


@pytest.mark.parametrize("junk", [0, -1, True, 1.0, "", "x", "١", 2**63, [], {}])
def test_what_is_no_id_of_a_conversation_is_refused(
    post: Post, key: Client, junk: Any
) -> None:
    if junk == 2**63:
        assert refusal(post(name="Ada", conversationId=str(junk), caller=key))[0] == 400
        return
    response = post(name="Ada", conversationId=junk, caller=key)
    assert refusal(response) == (400, "validation_error")
    assert set(response.json()["error"]["details"]) == {"conversationId"}


def test_once_under_an_idempotency_key(post: Post, key: Client, agent: Agent) -> None:
    named = {"idempotency-key": "once"}
    answers = [post(name="Ada", caller=key, headers=named) for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    assert (Lead.objects.count(), WebhookEvent.objects.count()) == (1, 1)


# --- Reading them -------------------------------------------------------------------


def make_leads(agent: Agent, number: int, **fields: Any) -> list[Lead]:
    return Lead.objects.bulk_create(
        Lead(
            workspace_id=agent.workspace_id,
            agent=agent,
            name=f"Lead {n}",
            fields={"name": f"Lead {n}"},
            **fields,
        )
        for n in range(number)
    )


def get(caller: Client, path: str) -> Any:
    response = caller.get(f"/api/v1/{path}")
    check_response(response, "GET", f"/api/v1/{path}")
    return response


def test_they_are_read_newest_first(key: Client, post: Post, agent: Agent) -> None:
    first, second = post(name="First").json(), post(name="Second").json()
    body = get(key, f"agents/{agent.pk}/leads").json()
    assert body == {
        "success": True,
        "leads": [second["lead"], first["lead"]],
        "pagination": {"page": 1, "size": 100, "hasMore": False},
    }


def test_page_by_page(key: Client, agent: Agent) -> None:
    made = [str(lead.pk) for lead in make_leads(agent, 7)]
    read: list[str] = []
    more = []
    for page in range(1, 5):
        path = f"agents/{agent.pk}/leads?page={page}&size=3"
        body = get(key, path).json()
        read += [lead["id"] for lead in body["leads"]]
        more.append(body["pagination"]["hasMore"])
    assert read == made[::-1]
    assert more == [True, True, False, False]


def test_reading_needs_a_key(post: Post, agent: Agent) -> None:
    for path in (f"agents/{agent.pk}/leads", f"agents/{agent.pk}/leads/export"):
        assert refusal(get(NOBODY, path)) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["leads", "leads/export"])
def test_nobody_reads_what_is_anothers(
    workspace: Workspace, agent: Agent, path: str
) -> None:
    make_leads(agent, 1)
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    bodies = set()
    for caller in (
        client_of(make_workspace("Elsewhere")),
        client_of(workspace, agent=sibling),
    ):
        response = get(caller, f"agents/{agent.pk}/{path}")
        assert refusal(response) == (404, "agent_not_found")
        bodies |= {response.content}
        bodies |= {get(caller, f"agents/{2**40}/{path}").content}
    assert len(bodies) == 1
    agent.status = AgentStatus.ARCHIVED
    agent.save(update_fields=["status"])
    response = get(client_of(workspace), f"agents/{agent.pk}/{path}")
    assert response.content in bodies


def test_a_key_that_only_reads_is_enough(workspace: Workspace, agent: Agent) -> None:
    make_leads(agent, 1)
    reader = client_of(workspace, access=Access.READ)
    assert len(get(reader, f"agents/{agent.pk}/leads").json()["leads"]) == 1


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=1.0", "page=%D9%A1", "page=1%0A"]
    + ["size=0", "size=1001", "size=x", "page=1&page=2", "page=%00"],
)
def test_what_is_no_page_is_refused(key: Client, agent: Agent, query: str) -> None:
    response = get(key, f"agents/{agent.pk}/leads?{query}")
    assert refusal(response) == (400, "validation_error")
    response = get(key, f"get-leads?chatbotId={agent.pk}&{query}")
    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request data"
    (issue,) = response.json()["issues"]
    assert issue["field"] == query.partition("=")[0]


def test_empty_parameters_count_as_not_given(key: Client, agent: Agent) -> None:
    """As no-code tools send what nobody has filled in."""
    make_leads(agent, 2)
    rest = "page=&size=&startDate=&endDate="
    leads = get(key, f"get-leads?chatbotId={agent.pk}&{rest}")
    assert len(leads.json()["collectedCustomers"]) == 2
    said = get(key, f"get-conversations?chatbotId={agent.pk}&filteredSources=&{rest}")
    assert said.json() == {"data": []}
    contacts = get(key, f"chatbots/{agent.pk}/contacts?page=&per_page=")
    assert contacts.json()["pages"]["per_page"] == 100


def test_there_is_nothing_beyond_the_end(key: Client, agent: Agent) -> None:
    make_leads(agent, 1)
    for page in (2, 10**6, 2**63, 10**400):
        body = get(key, f"agents/{agent.pk}/leads?page={page}").json()
        assert body["leads"] == []
        path = f"get-leads?chatbotId={agent.pk}&page={page}&size=1000"
        assert get(key, path).json() == {"collectedCustomers": []}


def test_reading_takes_as_many_queries_whatever_their_number(
    key: Client, agent: Agent, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    get(key, f"agents/{agent.pk}/leads")
    make_leads(agent, 1)
    with django_assert_num_queries(3):
        get(key, f"agents/{agent.pk}/leads")
    make_leads(agent, 150)
    with django_assert_num_queries(3):
        get(key, f"agents/{agent.pk}/leads")


# --- For Chatbase's clients ----------------------------------------------------------


def test_chatbases_clients_read_them_in_its_words(
    key: Client, post: Post, agent: Agent
) -> None:
    lead = post(name="Ada", phone="+49 170 1").json()["lead"]
    moment = dt.datetime.fromtimestamp(int(lead["createdAt"]) / 1000, dt.UTC)
    body = get(key, f"get-leads?chatbotId={agent.pk}").json()
    assert body == {
        "collectedCustomers": [
            {
                "id": lead["id"],
                "name": "Ada",
                "email": None,
                "phone": "+49 170 1",
                "created_at": f"{moment:%Y-%m-%dT%H:%M:%S}.{lead['createdAt'][-3:]}Z",
                "chatbot_id": str(agent.pk),
                "account_id": str(agent.workspace_id),
            }
        ]
    }


def test_whole_days_of_utc_both_ends_included(key: Client, agent: Agent) -> None:
    moments = {
        "before": dt.datetime(2026, 1, 30, 23, 59, 59, 999_999, tzinfo=dt.UTC),
        "first": dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
        "last": dt.datetime(2026, 2, 1, 23, 59, 59, 999_999, tzinfo=dt.UTC),
        "after": dt.datetime(2026, 2, 2, tzinfo=dt.UTC),
    }
    for name, moment in moments.items():
        Lead.objects.create(
            workspace=agent.workspace, agent=agent, name=name, created_at=moment
        )

    def names(**days: str) -> list[str]:
        query = "&".join(f"{name}={day}" for name, day in days.items())
        body = get(key, f"get-leads?chatbotId={agent.pk}&{query}").json()
        return [lead["name"] for lead in body["collectedCustomers"]]

    assert names() == ["after", "last", "first", "before"]
    assert names(startDate="2026-01-31", endDate="2026-02-01") == ["last", "first"]
    assert names(startDate="2026-01-31") == ["after", "last", "first"]
    assert names(endDate="2026-01-31") == ["first", "before"]
    assert names(startDate="2026-02-01", endDate="2026-01-31") == []
    assert names(endDate="9999-12-31") == names()


@pytest.mark.parametrize("name", ["startDate", "endDate"])
@pytest.mark.parametrize("junk", ["x", "2026-1-31", "2026-02-30", "1769817600"])
def test_what_is_no_day_is_refused(
    key: Client, agent: Agent, name: str, junk: str
) -> None:
    response = get(key, f"get-leads?chatbotId={agent.pk}&{name}={junk}")
    assert response.status_code == 400
    assert [issue["field"] for issue in response.json()["issues"]] == [name]


def test_chatbases_words_for_what_is_wrong(
    key: Client, workspace: Workspace, agent: Agent
) -> None:
    missing = get(key, "get-leads")
    assert missing.status_code == 400
    assert missing.json()["issues"][0]["field"] == "chatbotId"
    foreign = client_of(make_workspace("Elsewhere"))
    for caller, named in [(key, "x"), (key, 2**40), (key, ""), (foreign, agent.pk)]:
        response = get(caller, f"get-leads?chatbotId={named}")
        assert response.status_code == 404
        assert response.json() == {"message": "Resource not found"}
    response = get(NOBODY, f"get-leads?chatbotId={agent.pk}")
    assert (response.status_code, response.json()) == (
        401,
        {"message": "No API key provided."},
    )


# --- At rest -------------------------------------------------------------------------


def test_the_fields_are_kept_as_they_were_written(agent: Agent) -> None:
    fields = {"ü": "\u2028 ' \" \\", "n": 2**63 - 1, "f": 1e20, "a": False}
    lead = leads.capture(agent, fields={"name": "Ada", **fields})
    assert Lead.objects.get().fields == lead.fields
    assert isinstance(Lead.objects.get().fields["f"], float)
    with connection.cursor() as cursor:
        cursor.execute("SELECT fields FROM contacts_lead")
        ((text,),) = cursor.fetchall()
    assert text == json.dumps({"name": "Ada", **fields}, ensure_ascii=False)


def test_a_conversation_that_goes_leaves_its_leads(
    agent: Agent, conversation: Conversation
) -> None:
    leads.capture(agent, name="Ada", conversation_id=conversation.pk)
    conversation.delete()
    assert Lead.objects.get().conversation_id is None
