"""An import that broke off: run again, it goes on where it was."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from conversations.models import Conversation
from imports.chatbase import SourceError
from imports.models import Import, ImportedRow, Kind
from imports.transfer import Wish
from tests.conftest import make_workspace
from tests.imports.conftest import Bring, everything
from tests.imports.source import SmallChatbase, conversation, fill, send
from workspaces.models import Workspace


def no(request: Any) -> None:
    send(request, 401, {"message": "Enough."})


def requests_of(source: SmallChatbase, *, after: int = 0) -> list[str]:
    return [
        f"{asked.path} {asked.query.get('chatbotId', '')} {asked.query.get('page', '')}"
        for asked in source.asked[after:]
    ]


@pytest.fixture
def whole(source: SmallChatbase, bring: Bring) -> dict[str, Any]:
    """What an import leaves that nothing interrupts; and then nobody has asked yet."""
    fill(source)
    elsewhere = make_workspace("Undisturbed")
    summary = bring(into=elsewhere)
    found = {"rows": everything(elsewhere), "summary": summary.to_json()}
    found["requests"] = len(source.asked)
    source.asked.clear()
    return found


def test_broken_off_before_any_request_it_ends_as_if_it_had_not_been(
    source: SmallChatbase, bring: Bring, whole: dict[str, Any]
) -> None:
    assert whole["requests"] > 15
    for number in range(2, whole["requests"] + 1):
        workspace = make_workspace(f"Broken off at {number}")
        source.asked.clear()
        source.faults = {number: no}
        with pytest.raises(SourceError):
            bring(into=workspace)
        source.faults = {}
        summary = bring(into=workspace)
        assert everything(workspace) == whole["rows"], number
        assert summary.to_json() == whole["summary"], number
        # One request is made twice, and the list of agents.
        asked = requests_of(source)
        assert len(asked) <= whole["requests"] + 2, number


def test_broken_off_again_and_again(
    source: SmallChatbase, bring: Bring, workspace: Workspace, whole: dict[str, Any]
) -> None:
    done = False
    for _ in range(whole["requests"]):
        source.asked.clear()
        source.faults = {4: no}  # each run gets two answers beyond the agents'
        try:
            summary = bring()
        except SourceError:
            continue
        done = True
        break
    assert done
    assert everything(workspace) == whole["rows"]
    assert summary.to_json() == whole["summary"]


class Trap:
    """Has the database refuse the n-th row of a table."""

    def __init__(self, table: str, number: int) -> None:
        self.table, self.number, self.seen = table, number, 0

    def __call__(self, execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{self.table}"'):
            self.seen += 1
            if self.seen == self.number:
                raise IntegrityError("refused")
        return execute(sql, *arguments)


TABLES = [
    "agents_agent",
    "contacts_customattribute",
    "contacts_contact",
    "contacts_lead",
    "conversations_conversation",
    "conversations_message",
    "conversations_conversationevent",
    "imports_importedrow",
]


@pytest.mark.parametrize("table", TABLES)
def test_broken_off_in_the_middle_of_a_page_nothing_of_it_stays(
    bring: Bring, whole: dict[str, Any], table: str
) -> None:
    trapped = 0
    for number in (1, 2, 3):
        workspace = make_workspace(f"Trap {number}")
        trap = Trap(table, number)
        try:
            with connection.execute_wrapper(trap):
                bring(into=workspace)
        except IntegrityError:
            trapped += 1
        noted = ImportedRow.objects.for_workspace(workspace)
        begun = Conversation.objects.for_workspace(workspace)
        assert noted.filter(kind=Kind.CONVERSATIONS).count() == begun.count()
        bring(into=workspace)
        assert everything(workspace) == whole["rows"]
    assert trapped


def test_what_a_run_broke_off_before_goes_on_only_for_a_day(
    source: SmallChatbase, bring: Bring, whole: dict[str, Any], workspace: Workspace
) -> None:
    source.faults = {12: no}
    with pytest.raises(SourceError):
        bring()
    Import.objects.for_workspace(workspace).update(
        stirred_at=timezone.now() - timedelta(days=2)
    )
    source.chatbots["shop"].conversations.insert(0, conversation("new", "?", day=9))
    source.faults = {}
    bring()
    assert Conversation.objects.for_workspace(workspace).get(external_id="new")


def test_another_wish_is_another_run(
    source: SmallChatbase, bring: Bring, whole: dict[str, Any], workspace: Workspace
) -> None:
    source.faults = {6: no}
    with pytest.raises(SourceError):
        bring(Wish(kinds=(Kind.AGENTS, Kind.CONVERSATIONS)))
    source.faults = {}
    bring()
    assert everything(workspace) == whole["rows"]


def test_what_begins_at_the_source_meanwhile_moves_nothing_out_of_sight(
    source: SmallChatbase, bring: Bring, whole: dict[str, Any], workspace: Workspace
) -> None:
    shop = source.chatbots["shop"]
    before = {one["id"] for one in shop.conversations}

    def meanwhile(request: Any) -> None:
        shop.conversations.insert(0, conversation(f"new-{len(source.asked)}", "?"))
        source.faults.clear()
        source.answer(request)

    for number in (7, 8, 9, 10):  # while the agent's conversations are read
        source.faults = {number: meanwhile}
        source.asked.clear()
        elsewhere = make_workspace(f"Meanwhile {number}")
        bring(into=elsewhere)
        brought = Conversation.objects.for_workspace(elsewhere)
        assert before <= set(brought.values_list("external_id", flat=True))
        bring(into=elsewhere)
        assert brought.filter(agent__name="Agent shop").count() == len(
            shop.conversations
        )
