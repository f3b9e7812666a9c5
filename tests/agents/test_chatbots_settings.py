"""POST /api/v1/update-chatbot-settings: every field changes the agent or its widget."""

import copy
import json
import threading
from typing import Any

import httpx
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import sites
from agents.access import AgentNotFound
from agents.api.chatbots import _save
from agents.models import Agent, AgentStatus, Widget
from apikeys import limits
from apikeys.models import ApiKey
from tests.agents.test_chatbots_api import call, issues, said
from tests.conftest import make_workspace
from workspaces.models import Workspace

PATH = "update-chatbot-settings"
SAVED = {"message": "Your changes are saved."}
WHOLE = {
    "name": "My Chatbot",
    "instructions": " You are helpful.\n",
    "initialMessages": ["Hello!", "How can I help?"],
    "suggestedMessages": ["What are your hours?"],
    "visibility": "private",
    "domains": ["example.com", "*.example.com"],
    "onlyAllowOnAddedDomains": True,
    "ipLimit": 10,
    "ipLimitTimeframe": 3600,
    "ipLimitMessage": "Please try again later.",
    "model": "embedded",
    "temp": 0.7,
    "styles": {
        "theme": "light",
        "buttonColor": "#007bff",
        "displayName": "Support Bot",
        "alignChatButton": "right",
        "userMessageColor": "#007bff",
        "autoOpenChatWindowAfter": 5,
    },
    "collectCustomerInformation": {
        "title": "Contact Information",
        "name": {"active": True, "label": "Full Name"},
        "email": {"active": True, "label": "Email Address"},
        "phone": {"active": False, "label": "Phone Number"},
    },
}


@pytest.fixture
def secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="K")[1]


def change(secret: str, agent: Agent, **settings: Any) -> Any:
    return call(secret, "POST", PATH, {"chatbotId": agent.pk, **settings})


def saved(secret: str, agent: Agent, **settings: Any) -> None:
    answer = change(secret, agent, **settings)
    assert said(answer, 202) == SAVED
    agent.refresh_from_db()


def state(agent: Agent) -> dict[str, Any]:
    """Everything that settings can change, in Chatbase's words."""
    agent = Agent.objects.get(pk=agent.pk)
    widget = Widget.objects.filter(agent=agent).first() or Widget()
    return {
        "name": agent.name,
        "instructions": agent.instructions,
        "initialMessages": widget.initial_messages,
        "suggestedMessages": widget.suggested_messages,
        "visibility": {"active": "public", "draft": "private"}[agent.status],
        "domains": widget.domains,
        "onlyAllowOnAddedDomains": widget.only_allowed_domains,
        "ipLimit": widget.ip_limit,
        "ipLimitTimeframe": widget.ip_limit_timeframe,
        "ipLimitMessage": widget.ip_limit_message,
        "model": agent.model,
        "temp": agent.temperature,
        "styles": widget.styles,
        "collectCustomerInformation": widget.lead_form,
    }


def test_every_setting_is_kept(agent: Agent, secret: str) -> None:
    before = state(agent)
    saved(secret, agent, **WHOLE)
    assert state(agent) == WHOLE
    assert all(before[name] != WHOLE[name] for name in WHOLE if name != "model")


@pytest.mark.parametrize("name", WHOLE)
def test_each_changes_itself_alone(agent: Agent, secret: str, name: str) -> None:
    expected = {**state(agent), name: WHOLE[name]}
    saved(secret, agent, **{name: WHOLE[name]})
    assert state(agent) == expected


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "name"])
def test_null_is_the_default_again(agent: Agent, secret: str, name: str) -> None:
    default = state(agent)[name]
    saved(secret, agent, **WHOLE)
    saved(secret, agent, **{name: None})
    assert state(agent) == {**WHOLE, name: default}


def test_nothing_but_a_name_changes_nothing(agent: Agent, secret: str) -> None:
    before = state(agent)
    saved(secret, agent)
    saved(secret, agent, unknown={"of": ["no", "importance"]})
    assert state(agent) == before
    assert not Widget.objects.exists()


def test_what_the_agent_is_else_stays(agent: Agent, secret: str) -> None:
    Agent.objects.filter(pk=agent.pk).update(index_version=7, language="de")
    before = agent.updated_at
    saved(secret, agent, **WHOLE)
    assert (agent.index_version, agent.language) == (7, "de")
    assert agent.updated_at > before


def test_two_words_for_the_name(agent: Agent, secret: str) -> None:
    saved(secret, agent, chatbotName="One")
    assert agent.name == "One"
    saved(secret, agent, chatbotName="Two", name="Three")
    assert agent.name == "Three"


def test_visibility_is_whether_it_is_a_draft(agent: Agent, secret: str) -> None:
    for word, status in [
        ("private", AgentStatus.DRAFT),
        ("public", AgentStatus.ACTIVE),
        ("private", AgentStatus.DRAFT),
        ("can_be_embedded", AgentStatus.ACTIVE),  # as older programs say
    ]:
        saved(secret, agent, visibility=word)
        assert agent.status == status


def test_messages_may_come_as_lines(agent: Agent, secret: str) -> None:
    saved(
        secret,
        agent,
        initialMessages="Hello! \r\n\n How can I help?\n",
        suggestedMessages=["", " Hours? ", "\u200b"],
    )
    now = state(agent)
    assert now["initialMessages"] == ["Hello!", "How can I help?"]
    assert now["suggestedMessages"] == ["Hours?"]


def test_domains_are_kept_as_browsers_write_them(agent: Agent, secret: str) -> None:
    given = [
        "Example.COM",
        "example.com.",
        "*.Bücher.example",
        "a_b",
        "127.0.0.1",
    ]
    saved(secret, agent, domains=given, onlyAllowOnAddedDomains=True)
    assert state(agent)["domains"] == [
        "example.com",
        "*.xn--bcher-kva.example",
        "a_b",
        "127.0.0.1",
    ]
    widget = Widget.objects.get(agent=agent)
    assert sites.is_allowed(widget, "https://example.com")
    assert sites.is_allowed(widget, "https://a.xn--bcher-kva.example:8443")
    assert not sites.is_allowed(widget, "https://example.org")


def test_of_styles_only_what_is_given_changes(agent: Agent, secret: str) -> None:
    saved(secret, agent, styles={"theme": "dark", "buttonColor": "#111"})
    saved(secret, agent, styles={"displayName": "Ann", "theme": None})
    assert state(agent)["styles"] == {"buttonColor": "#111111", "displayName": "Ann"}
    saved(secret, agent, styles={})
    assert state(agent)["styles"] == {"buttonColor": "#111111", "displayName": "Ann"}


def test_styles_that_only_their_sender_knows_are_kept(
    agent: Agent, secret: str
) -> None:
    given = {
        "footer": "<b>Hi</b>",
        "showFeedback": True,
        "size": 1.5,
        "iconUrl": "https://example.com/i.png",
        "größe": 7,
        "haloColor": "RGB(1, 2, 3)",
    }
    saved(secret, agent, styles=given)
    assert state(agent)["styles"] == {**given, "haloColor": "#010203"}


def test_of_the_lead_form_only_what_is_given_changes(agent: Agent, secret: str) -> None:
    saved(secret, agent, collectCustomerInformation=WHOLE["collectCustomerInformation"])
    change_it = {
        "title": "Write to us",
        "email": {"label": "E-mail"},
        "phone": None,
        "fax": {"active": True},
    }
    saved(secret, agent, collectCustomerInformation=change_it)
    assert state(agent)["collectCustomerInformation"] == {
        "title": "Write to us",
        "name": {"active": True, "label": "Full Name"},
        "email": {"active": True, "label": "E-mail"},
    }


# --- Refused --------------------------------------------------------------------------

WRONG: dict[str, list[Any]] = {
    "name": [None, "", " ", "\u200b", 5, True, ["x"], "x" * 121],
    "chatbotName": [None, "", 5],
    "instructions": [5, True, ["x"], {}, "x" * 20_001],
    "initialMessages": [5, True, {"a": "b"}, ["x"] * 51, "x\n" * 51],
    "suggestedMessages": [1.5, False, {}, ["x"] * 51],
    "visibility": ["", "Public", "hidden", 1, True, ["public"], {}],
    "domains": [5, True, {}, [f"a{n}.com" for n in range(101)]],
    "onlyAllowOnAddedDomains": [0, 1, "true", "false", "", [], {}],
    "ipLimit": [0, -1, 1.0, 1.5, True, "10", "", [], 2**31, 2**63 - 1],
    "ipLimitTimeframe": [0, -1, 1.0, False, "60", {}, 2**31],
    "ipLimitMessage": [5, True, [], "x" * 501],
    "model": ["", "gpt-4o-mini", "EMBEDDED", "embedded\u0001", 5, True, [], "x" * 9999],
    "temp": [-0.1, 1.1, 2, "0.5", True, [], {}, 2**63 - 1, 1e308],
    "styles": [5, "dark", True, [], [{}], {f"a{n}": 1 for n in range(51)}, {"": 1}]
    + [{"x" * 61: 1}],
    "collectCustomerInformation": [5, "x", True, []],
}
WRONG_WITHIN: list[tuple[str, Any, str]] = [
    ("initialMessages", ["x", 5], "1"),
    ("initialMessages", ["x", None], "1"),
    ("initialMessages", ["x" * 1_001], "0"),
    ("suggestedMessages", ["x", "y", ["z"]], "2"),
    *(
        ("domains", ["ok.com", host], "1")
        for host in [
            *("https://example.com", "example.com/", "example.com:443", "a b.com"),
            *("*", "*.", "*.*.com", "a.*.com", "-a.com", "a-.com", ".com", "a..com"),
            *("a" * 64, "a." * 130, "[::1]", "ü" * 5_000, "a@b.com", "x\ny.com", 5),
            *("example.com\u0001", None, ["a.com"]),
        ]
    ),
    *(("styles", {"theme": value}, "theme") for value in ["blue", 1, True, [], ""]),
    *(("styles", {"alignChatButton": v}, "alignChatButton") for v in ["top", 1]),
    *(("styles", {"displayName": v}, "displayName") for v in [5, "x" * 201, []]),
    *(
        ("styles", {name: colour}, name)
        for name in ("buttonColor", "userMessageColor", "headerColor", "otherColor")
        for colour in [
            *("", "blau", "#12", "#12345", "#gggggg", "rgb(1,2)", "rgb(256,0,0)"),
            *("url(x)", "red;}", "expression(1)", "#fff\n;x", 5, True, [], "9" * 5_000),
            *("hsl(1,1%)", "rgb(" + "9" * 40 + ",0,0)"),
        ]
    ),
    *(
        ("styles", {"autoOpenChatWindowAfter": v}, "autoOpenChatWindowAfter")
        for v in ["5", True, -2, 3_601, 2**63 - 1, []]
    ),
    ("styles", {"mobile": {"showAutoOpen": True}}, "mobile"),
    ("styles", {"list": [1]}, "list"),
    ("styles", {"footer": "x" * 1_001}, "footer"),
    ("collectCustomerInformation", {"title": 5}, "title"),
    ("collectCustomerInformation", {"title": "x" * 201}, "title"),
    ("collectCustomerInformation", {"name": "Name"}, "name"),
    ("collectCustomerInformation", {"email": {"active": "yes"}}, "email.active"),
    ("collectCustomerInformation", {"phone": {"label": 5}}, "phone.label"),
]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_and_nothing_is_saved(
    agent: Agent, secret: str, name: str, settings: Any
) -> None:
    settings.RATE_LIMIT = 1000
    before = state(agent)
    others = {key: value for key, value in WHOLE.items() if key != name}
    for value in WRONG[name]:
        answer = change(secret, agent, **others, **{name: value})
        assert list(issues(answer)) == [name], value
    assert state(agent) == before
    assert not Widget.objects.exists()


def test_what_is_wrong_within_is_named(
    agent: Agent, secret: str, settings: Any
) -> None:
    settings.RATE_LIMIT = 1000
    before = state(agent)
    for name, value, below in WRONG_WITHIN:
        answer = change(secret, agent, **{name: value, "ipLimitMessage": "x"})
        assert list(issues(answer)) == [f"{name}.{below}"], value
    assert state(agent) == before


def test_all_that_is_wrong_is_said_at_once(agent: Agent, secret: str) -> None:
    answer = change(
        secret, agent, name="", temp=7, styles={"theme": "x", "buttonColor": "y"}
    )
    assert set(issues(answer)) == {
        "name",
        "temp",
        "styles.theme",
        "styles.buttonColor",
    }


def test_a_model_that_is_not_here_is_said_so(agent: Agent, secret: str) -> None:
    (why,) = issues(change(secret, agent, model="gpt-4o-mini")).values()
    assert why == "There is no model called “gpt-4o-mini” here, only: embedded."


def test_styles_do_not_pile_up(agent: Agent, secret: str) -> None:
    saved(secret, agent, styles={f"a{n}": n for n in range(50)})
    before = state(agent)
    answer = change(secret, agent, name="New", styles={"more": 1})
    assert list(issues(answer)) == ["styles"]
    assert state(agent) == before
    saved(secret, agent, styles={"a0": None, "more": 1})


def test_an_agent_that_is_deleted_meanwhile_does_not_come_back(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(status=AgentStatus.ARCHIVED)
    with pytest.raises(AgentNotFound):
        _save(agent, {"status": AgentStatus.ACTIVE})
    agent.refresh_from_db()
    assert agent.status == AgentStatus.ARCHIVED


def test_settings_of_others_stay(agent: Agent, secret: str) -> None:
    theirs = Agent.objects.create(workspace=make_workspace("Other"), name="Theirs")
    sibling = Agent.objects.create(workspace=agent.workspace, name="Sibling")
    before = [state(theirs), state(sibling)]
    saved(secret, agent, **WHOLE)
    assert [state(theirs), state(sibling)] == before
    assert Widget.objects.get().workspace_id == agent.workspace_id


def test_many_who_change_at_once_lose_nothing(http: httpx.Client) -> None:
    """Each its own style, of an agent that has no widget yet."""
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="A")
    _, secret = ApiKey.objects.issue(workspace, label="K")
    start = threading.Barrier(8)
    answers: list[int] = []

    def post(number: int) -> None:
        body = {"chatbotId": str(agent.pk), "styles": {f"a{number}": number}}
        start.wait()
        answer = httpx.post(
            f"{http.base_url}/api/v1/{PATH}",
            json=body,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=30,
        )
        answers.append(answer.status_code)

    threads = [threading.Thread(target=post, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [202] * 8
    assert Widget.objects.get(agent=agent).styles == {f"a{n}": n for n in range(8)}


# --- Whatever comes -------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["", "theme", "xColor", "title", "name", "active", "0", "é."]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def nudged(value: Any) -> Any:
    """Right values, and what is near them."""
    return st.one_of(st.just(copy.deepcopy(value)), anything)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=60,
)
@given(
    st.fixed_dictionaries(
        {}, optional={name: nudged(value) for name, value in WHOLE.items()}
    )
)
def test_whatever_comes_is_saved_or_refused_as_documented(
    agent: Agent, secret: str, body: dict[str, Any]
) -> None:
    limits.limiter.cache_clear()
    limits.local_limiter.cache_clear()
    before = state(agent)
    answer = Client(headers={"authorization": f"Bearer {secret}"}).post(
        f"/api/v1/{PATH}",
        {"chatbotId": agent.pk, **body},
        content_type="application/json",
    )
    assert answer.status_code in (202, 400), answer.content
    if answer.status_code == 400:
        assert issues(answer)
        assert state(agent) == before
    else:
        json.dumps(state(agent))
