"""Pages of a list, whatever the list is of."""

import base64
import datetime as dt
import random
from typing import Any
from urllib.parse import quote

import pytest
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from agents.models import Agent
from bookbag.api.errors import ApiError
from bookbag.api.pagination import MAX_LIMIT, Page
from conversations.models import Conversation
from workspaces.models import Workspace

NEWEST = ("-updated_at", "-id")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def asked(query: str = "") -> Request:
    return Request(APIRequestFactory().get(f"/list?{query}"))


def page(query: str = "", **scope: Any) -> Page:
    return Page.of(asked(query), **{"workspace": 1, "route": "things", **scope})


def refusal(query: str, **scope: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        page(query, **scope)
    assert caught.value.status_code == 400
    assert caught.value.code == "VALIDATION_INVALID_BODY"
    return caught.value


@pytest.fixture
def talks(workspace: Workspace, agent: Agent) -> QuerySet[Conversation]:
    """Fifty; many of them at the same microsecond."""
    chance = random.Random(7)
    Conversation.objects.bulk_create(
        Conversation(
            workspace=workspace,
            agent=agent,
            updated_at=NOON
            + dt.timedelta(microseconds=chance.choice([0, 1, 2, 999_999, 1_000_000])),
        )
        for _ in range(50)
    )
    return Conversation.objects.filter(agent=agent)


def walk(
    rows: QuerySet[Conversation], keys: tuple[str, ...], limit: int
) -> list[list[int]]:
    pages, query = [], f"limit={limit}"
    while True:
        found, pagination = page(query).rows(rows, keys)
        pages.append([row.pk for row in found])
        assert pagination["total"] == rows.count()
        assert (pagination["cursor"] is None) == (not pagination["hasMore"])
        if not pagination["hasMore"]:
            return pages
        query = f"limit={limit}&cursor={quote(pagination['cursor'])}"


@pytest.mark.parametrize("limit", [1, 3, 20, 50, 100])
@pytest.mark.parametrize(
    "keys",
    [
        NEWEST,
        ("updated_at", "id"),
        ("-id",),
        ("id",),
        ("-status", "-updated_at", "-id"),
    ],
)
def test_pages_are_the_list_cut_in_pieces(
    talks: QuerySet[Conversation], keys: tuple[str, ...], limit: int
) -> None:
    pages = walk(talks, keys, limit)
    assert sum(pages, []) == list(talks.order_by(*keys).values_list("pk", flat=True))
    assert {len(one) for one in pages[:-1]} <= {limit}


def test_the_last_page_may_be_full(talks: QuerySet[Conversation]) -> None:
    assert [len(one) for one in walk(talks, NEWEST, 25)] == [25, 25]


def test_an_empty_list_has_one_empty_page(talks: QuerySet[Conversation]) -> None:
    assert page().rows(talks.none(), NEWEST) == (
        [],
        {"cursor": None, "hasMore": False, "total": 0},
    )


def test_total_is_asked_of_whoever_knows_it(talks: QuerySet[Conversation]) -> None:
    _, pagination = page("limit=1").rows(talks, NEWEST, total=lambda: 4711)
    assert pagination["total"] == 4711


def test_the_database_begins_in_the_middle_of_the_index(
    talks: QuerySet[Conversation], django_assert_num_queries: Any
) -> None:
    """Without the condition on the first key alone, depth costs as much as OFFSET."""
    _, pagination = page("limit=1").rows(talks, NEWEST)
    with django_assert_num_queries(2) as asked_for:
        page(f"cursor={pagination['cursor']}").rows(talks, NEWEST)
    assert '"updated_at" <= ' in asked_for.captured_queries[0]["sql"]


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ("", 20),
        ("limit=1", 1),
        ("limit=007", 7),
        ("limit=100", 100),
        ("limit=101", MAX_LIMIT),
        ("limit=0", 1),
        ("limit=-0", 1),
        ("limit=-5", 1),
        ("limit=9223372036854775808", MAX_LIMIT),
        ("limit=" + "9" * 5_000, MAX_LIMIT),
        ("limit=-" + "9" * 5_000, 1),
    ],
)
def test_limit_is_clamped_outside_the_range(given: str, limit: int) -> None:
    assert page(given).limit == limit


@pytest.mark.parametrize(
    "limit",
    ["", "x", "1_0", "١٢", "1.0", "1e2", "+5", " 5", "5\n", "--5", "-", "0x10", "true"],
)
def test_limit_is_400_when_it_is_no_integer(limit: str) -> None:
    assert set(refusal(f"limit={quote(limit)}").details) == {"limit"}


@pytest.mark.parametrize(
    "query", ["limit=1&limit=1", "cursor=a&cursor=a", "limit=1%00", "cursor=%00"]
)
def test_a_parameter_is_given_once_and_is_text(query: str) -> None:
    assert set(refusal(query).details) == {query.partition("=")[0]}


@pytest.fixture
def cursor(talks: QuerySet[Conversation]) -> str:
    _, pagination = page("limit=5").rows(talks, NEWEST)
    return pagination["cursor"]


@pytest.mark.parametrize("junk", ["", "x", "%00", "a.b", "é", "\ud7ff", "A" * 10_000])
def test_a_cursor_that_we_did_not_write_is_400(junk: str) -> None:
    assert set(refusal(f"cursor={quote(junk)}").details) == {"cursor"}


def test_a_cursor_with_any_character_changed_is_400(cursor: str) -> None:
    page(f"cursor={cursor}")
    for place in range(len(cursor)):
        other = "A" if cursor[place] != "A" else "B"
        refusal(f"cursor={cursor[:place]}{other}{cursor[place + 1 :]}")
    refusal(f"cursor={cursor[:-1]}")
    refusal(f"cursor={cursor}A")
    refusal(f"cursor={cursor}=")


def test_a_cursor_rewritten_without_our_secret_is_400(cursor: str) -> None:
    payload, _, signature = cursor.partition(".")
    forged = base64.urlsafe_b64encode(b"[1,2]").decode().rstrip("=")
    assert forged != payload
    refusal(f"cursor={forged}.{signature}")


@pytest.mark.parametrize(
    "scope",
    [
        {"workspace": 2},
        {"route": "others"},
        {"filters": {"status": "ended"}},
        {"filters": {"q": "a"}},
    ],
)
def test_a_cursor_of_another_workspace_route_or_filter_is_400(
    cursor: str, scope: dict[str, Any]
) -> None:
    assert set(refusal(f"cursor={cursor}", **scope).details) == {"cursor"}


def test_a_filter_that_is_not_given_is_none(cursor: str) -> None:
    page(f"cursor={cursor}", filters={"status": None})


def test_a_cursor_is_short_and_needs_no_quoting(cursor: str) -> None:
    assert quote(cursor) == cursor
    assert len(cursor) < 120


def test_activity_never_skips_or_repeats_a_row_that_did_not_itself_move(
    workspace: Workspace, agent: Agent, talks: QuerySet[Conversation]
) -> None:
    chance = random.Random(11)
    for _ in range(10):
        before = set(talks.values_list("pk", flat=True))
        seen: list[int] = []
        touched: set[int] = set()
        query = "limit=7"
        while query:
            rows, pagination = page(query).rows(talks, NEWEST)
            seen += [row.pk for row in rows]
            query = pagination["cursor"] and f"limit=7&cursor={pagination['cursor']}"
            # Meanwhile: one begins, some are spoken in, one is deleted.
            Conversation.objects.create(workspace=workspace, agent=agent)
            alive = sorted(talks.values_list("pk", flat=True))
            moved = chance.sample(alive, 3)
            now = NOON + dt.timedelta(seconds=chance.randrange(-5, 5))
            talks.filter(pk__in=moved[:2]).update(updated_at=now)
            talks.filter(pk=moved[2]).delete()
            touched.update(moved)
        still = before - touched
        assert len(seen) >= len(still) > 0
        assert [pk for pk in seen if pk in still] == [
            pk
            for pk in talks.order_by(*NEWEST).values_list("pk", flat=True)
            if pk in still
        ]
