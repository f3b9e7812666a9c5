"""GET /api/v2/usage: what was used, by day, agent and key."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import Access, ApiKey
from tests.api.conftest import error
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from usage.api import views
from usage.models import LedgerEntry, RequestCount
from workspaces.models import Workspace

URL = "/api/v2/usage"
NEW_YEAR = datetime(2026, 1, 1, 12, tzinfo=UTC)
JANUARY = {"from": "2026-01-01", "to": "2026-01-31"}
NOTHING = {
    "requests": 0,
    "replies": 0,
    "inputTokens": 0,
    "outputTokens": 0,
    "credits": 0,
}


class Books:
    """A workspace with two agents, two keys, and some usage in January 2026."""

    def __init__(self) -> None:
        self.workspace = make_workspace()
        self.agents = [
            Agent.objects.create(workspace=self.workspace, name=name) for name in "AB"
        ]
        self.a, self.b = (agent.pk for agent in self.agents)
        self.key, self.secret = ApiKey.objects.issue(self.workspace, label="K")
        self.other, _ = ApiKey.objects.issue(self.workspace, label="O")
        for day, agent, key, credits in [
            (0, self.a, self.key.pk, 1),
            (0, self.a, self.key.pk, 1),
            (0, self.b, self.other.pk, 0),
            (2, self.a, None, 5),
        ]:
            self.reply(NEW_YEAR + timedelta(days=day), agent, key, credits)
        for agent, key, requests in [
            (self.a, self.key.pk, 10),
            (0, self.key.pk, 3),
            (self.b, self.other.pk, 2),
        ]:
            RequestCount.objects.create(
                workspace=self.workspace,
                day=NEW_YEAR.date(),
                agent_id=agent,
                api_key_id=key,
                requests=requests,
            )

    def reply(self, at: datetime, agent: int, key: int | None, credits: int) -> None:
        LedgerEntry.objects.create(
            workspace=self.workspace,
            created_at=at,
            agent_id=agent,
            api_key_id=key,
            credits=credits,
            input_tokens=100,
            output_tokens=10,
            estimated=False,
        )

    def ask(self, secret: str | None = None, **query: Any) -> Any:
        headers = {"authorization": f"Bearer {secret or self.secret}"}
        return Client().get(f"{URL}?{urlencode(query)}", headers=headers)

    def rows(self, secret: str | None = None, **query: Any) -> list[dict[str, Any]]:
        response = self.ask(secret, **JANUARY | query)
        assert response.status_code == 200, response.content
        check_response(response, "get", URL)
        return response.json()["data"]["rows"]


@pytest.fixture
def books(db: None) -> Books:
    return Books()


def counts(requests: int, replies: int, credits: int) -> dict[str, int]:
    return {
        "requests": requests,
        "replies": replies,
        "inputTokens": 100 * replies,
        "outputTokens": 10 * replies,
        "credits": credits,
    }


def test_by_day(books: Books) -> None:
    response = books.ask(**JANUARY)
    check_response(response, "get", URL)
    assert response.json() == {
        "data": {
            **JANUARY,
            "groupBy": ["day"],
            "rows": [
                {"day": "2026-01-01", **counts(15, 3, 2)},
                {"day": "2026-01-03", **counts(0, 1, 5)},
            ],
            "totals": counts(15, 4, 7),
        }
    }


def test_by_agent(books: Books) -> None:
    assert books.rows(groupBy="agent") == [
        {"agentId": None, **counts(3, 0, 0)},
        {"agentId": books.a, **counts(10, 3, 7)},
        {"agentId": books.b, **counts(2, 1, 0)},
    ]


def test_by_key(books: Books) -> None:
    assert books.rows(groupBy="key") == [
        {"keyId": None, **counts(0, 1, 5)},
        {"keyId": books.key.pk, **counts(13, 2, 2)},
        {"keyId": books.other.pk, **counts(2, 1, 0)},
    ]


def test_by_all_of_them_in_any_order(books: Books) -> None:
    rows = books.rows(groupBy="key,day,agent,day")
    assert rows == books.rows(groupBy="day,agent,key")
    assert len(rows) == 4
    assert rows[1] == {
        "day": "2026-01-01",
        "agentId": books.a,
        "keyId": books.key.pk,
        **counts(10, 2, 2),
    }


def test_of_one_agent_and_of_one_key(books: Books) -> None:
    assert books.rows(groupBy="key", agentId=books.a) == [
        {"keyId": None, **counts(0, 1, 5)},
        {"keyId": books.key.pk, **counts(10, 2, 2)},
    ]
    assert books.rows(groupBy="agent", keyId=books.other.pk) == [
        {"agentId": books.b, **counts(2, 1, 0)},
    ]
    assert books.rows(agentId=books.b, keyId=books.key.pk) == []


def test_only_the_days_asked_for_both_ends_included(books: Books) -> None:
    for first, last, days in [
        ("2026-01-01", "2026-01-01", [1]),
        ("2026-01-01", "2026-01-03", [1, 3]),
        ("2026-01-02", "2026-01-03", [3]),
        ("2025-12-01", "2025-12-31", []),
    ]:
        rows = books.rows(**{"from": first, "to": last})
        assert [row["day"] for row in rows] == [f"2026-01-0{day}" for day in days]


def test_without_dates_the_last_thirty_days(books: Books) -> None:
    # Not today's: a test may run over midnight.
    yesterday = datetime.now(UTC) - timedelta(days=1)
    books.reply(yesterday, books.a, None, 1)
    data = books.ask().json()["data"]
    first, last = date.fromisoformat(data["from"]), date.fromisoformat(data["to"])
    assert (last - first).days == 29
    assert last >= yesterday.date()
    assert data["rows"] == [
        {"day": yesterday.date().isoformat(), **counts(0, 1, 1)},
    ]
    assert books.ask(to="2026-01-30").json()["data"]["from"] == "2026-01-01"
    assert books.ask(to="0001-01-02").json()["data"]["from"] == "0001-01-01"


def test_nothing_used_is_nothing_listed(api_key: tuple[ApiKey, str]) -> None:
    headers = {"authorization": f"Bearer {api_key[1]}"}
    data = Client().get(URL, headers=headers).json()["data"]
    assert (data["rows"], data["totals"]) == ([], NOTHING)


def test_a_key_of_one_agent_sees_that_agents_usage(books: Books) -> None:
    _, secret = ApiKey.objects.issue(books.workspace, label="A", agent=books.agents[0])
    assert books.rows(secret, groupBy="agent") == [
        {"agentId": books.a, **counts(10, 3, 7)}
    ]
    assert books.rows(secret, agentId=books.a) == books.rows(agentId=books.a)
    assert books.rows(secret, keyId=books.other.pk) == []


def test_a_key_of_one_agent_may_ask_for_no_other(books: Books) -> None:
    _, secret = ApiKey.objects.issue(books.workspace, label="A", agent=books.agents[0])
    foreign = Agent.objects.create(workspace=make_workspace(), name="F")
    answers = {
        books.ask(secret, agentId=number).content
        for number in (books.b, foreign.pk, 2**40)
    }
    assert len(answers) == 1
    response = books.ask(secret, agentId=books.b, groupBy="nonsense")
    assert error(response) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    check_response(response, "get", URL)


def test_a_read_key_may_ask(books: Books) -> None:
    _, secret = ApiKey.objects.issue(books.workspace, label="R", access=Access.READ)
    assert books.rows(secret) == books.rows()


def test_others_usage_is_like_none(books: Books) -> None:
    theirs = Books()
    missing = books.ask(**JANUARY, agentId=2**40, keyId=2**40).content
    foreign = books.ask(**JANUARY, agentId=theirs.a, keyId=theirs.key.pk).content
    assert foreign == missing
    assert theirs.rows() == books.rows()  # not twice as much


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[
            (field, value)
            for field in ("from", "to")
            for value in (
                "",
                "today",
                "2026-1-1",
                "2026-02-30",
                "20260101",
                "2026-W01-1",
                "0000-01-01",
                "10000-01-01",
                "2026-01-01\n",
                "2026-01-01T00:00:00Z",
                "٢٠٢٦-01-01",
                "2026-01-01\0",
                "\ud800",
                1767225600,
            )
        ],
        *[
            ("groupBy", value)
            for value in ("", "week", "day,", ",", "day, agent", "Day", "day\0", "день")
        ],
        *[
            (field, value)
            for field in ("agentId", "keyId")
            for value in ("", "0", "-1", "x", "1.0", "١٢", "1_0", "1\n", "1\0", "true")
        ],
    ],
)
def test_what_makes_no_sense_is_refused(books: Books, field: str, value: str) -> None:
    text = str(value).encode("utf-8", "surrogatepass")
    response = books.ask(**{field: text})
    assert error(response) == (400, "VALIDATION_INVALID_BODY")
    assert set(response.json()["error"]["details"]) == {field}
    check_response(response, "get", URL)


@pytest.mark.parametrize("field", ["agentId", "keyId"])
@pytest.mark.parametrize("power", [31, 63, 70, 15_000])
def test_ids_that_nobody_has_have_no_usage(
    books: Books, field: str, power: int
) -> None:
    # int() would not read the last of them.
    digits = str(2**power) if power < 100 else "1" * (power // 3)
    assert books.rows(**{field: digits}) == []


def test_a_parameter_given_twice_is_refused(books: Books) -> None:
    headers = {"authorization": f"Bearer {books.secret}"}
    response = Client().get(f"{URL}?groupBy=day&groupBy=agent", headers=headers)
    assert error(response) == (400, "VALIDATION_INVALID_BODY")


def test_at_most_366_days(books: Books) -> None:
    leap = {"from": "2024-01-01", "to": "2024-12-31"}
    assert books.rows(**leap) == []
    response = books.ask(**leap | {"from": "2023-12-31"})
    assert error(response) == (400, "VALIDATION_INVALID_BODY")
    assert "from" in response.json()["error"]["details"]
    assert books.ask(**{"from": "0001-01-01", "to": "9999-12-31"}).status_code == 400
    assert books.ask(**{"from": "9999-12-31", "to": "9999-12-31"}).status_code == 200


def test_the_end_is_not_before_the_beginning(books: Books) -> None:
    response = books.ask(**{"from": "2026-01-02", "to": "2026-01-01"})
    assert error(response) == (400, "VALIDATION_INVALID_BODY")
    assert set(response.json()["error"]["details"]) == {"from"}


def test_more_rows_than_anybody_reads_are_refused(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_ROWS", 2)
    assert len(books.rows(groupBy="day")) == 2
    response = books.ask(**JANUARY, groupBy="day,key")
    assert error(response) == (400, "VALIDATION_INVALID_BODY")
    assert set(response.json()["error"]["details"]) == {"groupBy"}


def test_without_a_key_nothing(workspace: Workspace) -> None:
    response = Client().get(URL)
    assert error(response) == (401, "AUTH_MISSING_API_KEY")
    check_response(response, "get", URL)
