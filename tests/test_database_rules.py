"""What the database itself refuses, on SQLite and on PostgreSQL alike."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.utils import timezone

from agents.models import Action, Agent, Widget
from apikeys.models import ApiKey, IdempotencyKey
from bookbag.tenancy import TenantModel, tenant_references
from contacts.models import Contact, CustomAttribute, Lead
from conversations.models import (
    Conversation,
    ConversationEvent,
    EventKind,
    Message,
    ToolCall,
)
from imports.models import Import, ImportedRow
from knowledge.models import Chunk, Document, Source
from tests.conftest import make_member, make_user, make_workspace
from usage.models import AuditEvent, LedgerEntry
from webhooks.models import WebhookEvent
from workspaces.models import LastOwner, Member, Role, User, Workspace

REFERENCES = [
    (model, field.name)
    for model in apps.get_models()
    if issubclass(model, TenantModel)
    for field in tenant_references(model)
]


@pytest.fixture
def neighbour(db: None) -> Workspace:
    return make_workspace("Neighbour")


def one_of_each(workspace: Workspace) -> dict[type[models.Model], Any]:
    """A row of every tenant model that is referred to, or refers."""
    agent = Agent.objects.create(workspace=workspace, name="A")
    key, _ = ApiKey.objects.issue(workspace, label="K", agent=agent)
    newer, _ = ApiKey.objects.issue(workspace, label="K", replaces=key)
    source = Source.objects.create(
        workspace=workspace, agent=agent, kind="text", title="S", content="x"
    )
    document = Document.objects.create(
        workspace=workspace, source=source, version=1, title="S", text="x"
    )
    chunk = Chunk.objects.create(
        workspace=workspace, agent=agent, document=document, ordinal=0, start=0, end=1
    )
    conversation = Conversation.objects.create(
        workspace=workspace, agent=agent, api_key=key
    )
    asked = Message.objects.create(
        workspace=workspace, conversation=conversation, role="user", text="?"
    )
    reply = Message.objects.create(
        workspace=workspace, conversation=conversation, role="assistant", answers=asked
    )
    call = ToolCall.objects.create(
        workspace=workspace,
        conversation=conversation,
        message=reply,
        call_id="call_1",
        name="t",
        expires_at=timezone.now(),
    )
    event = ConversationEvent.objects.create(
        workspace=workspace, conversation=conversation, seq=1, kind=EventKind.MESSAGE
    )
    claim = IdempotencyKey.objects.create(
        workspace=workspace, api_key=key, name="n", route="POST /", digest=b"d" * 32
    )
    action = Action.objects.create(
        workspace=workspace, agent=agent, name="track", description="d"
    )
    origin = Import.objects.create(workspace=workspace, url="https://example.com/api")
    brought = ImportedRow.objects.create(
        workspace=workspace,
        origin=origin,
        agent=agent,
        kind="agents",
        source_id="s",
        row_id=agent.pk,
    )
    widget = Widget.objects.create(workspace=workspace, agent=agent)
    rows = (agent, newer, source, document, chunk, conversation, reply, call, event)
    lead = Lead.objects.create(
        workspace=workspace, agent=agent, conversation=conversation, name="Ada"
    )
    told = WebhookEvent.objects.create(workspace=workspace, name="lead.created")
    contact = Contact.objects.create(workspace=workspace, agent=agent, external_id="c")
    known = CustomAttribute.objects.create(
        workspace=workspace, agent=agent, name="plan", label="Plan"
    )
    rows = (*rows, lead, told, contact, known)
    return {type(row): row for row in (*rows, widget, claim, action, origin, brought)}


@pytest.fixture
def ours_and_theirs(workspace: Workspace, neighbour: Workspace) -> Iterator[tuple]:
    return one_of_each(workspace), one_of_each(neighbour)


def test_all_references_are_known() -> None:
    assert len(REFERENCES) >= 12


@pytest.mark.parametrize(
    ("model", "field"), REFERENCES, ids=[f"{m.__name__}.{f}" for m, f in REFERENCES]
)
def test_a_row_cannot_point_into_another_workspace(
    ours_and_theirs: tuple, model: type[models.Model], field: str
) -> None:
    ours, theirs = ours_and_theirs
    parent = model._meta.get_field(field).related_model
    with refused():
        model._base_manager.filter(pk=ours[model].pk).update(
            **{field: theirs[parent].pk}
        )


def test_a_row_cannot_be_made_across_workspaces(ours_and_theirs: tuple) -> None:
    ours, theirs = ours_and_theirs
    with refused():
        Message.objects.create(
            workspace_id=ours[Message].workspace_id,
            conversation=theirs[Conversation],
            role="user",
            text="hello",
        )


def test_a_row_cannot_move_to_another_workspace(ours_and_theirs: tuple) -> None:
    ours, theirs = ours_and_theirs
    with refused():
        Agent.objects.filter(pk=ours[Agent].pk).update(
            workspace_id=theirs[Agent].workspace_id
        )


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Agent, {"status": "asleep"}),
        (Agent, {"temperature": 1.5}),
        (ApiKey, {"access": "all"}),
        (ApiKey, {"environment": "prod"}),
        (Source, {"status": "lost"}),
        (Source, {"kind": "dream"}),
        (Source, {"progress": 101}),
        (Conversation, {"status": "open"}),
        (Conversation, {"channel": "fax"}),
        (Message, {"status": "thinking"}),
        (Message, {"role": "tool"}),
        (Message, {"feedback": "meh"}),
        (Message, {"status": "streaming", "lease_expires_at": None}),
        (ToolCall, {"status": "gone"}),
        (ConversationEvent, {"kind": "rumour"}),
        (ImportedRow, {"kind": "furniture"}),
    ],
)
def test_a_value_out_of_range_is_refused(
    workspace: Workspace, model: type[models.Model], change: dict[str, Any]
) -> None:
    row = one_of_each(workspace)[model]
    with pytest.raises(IntegrityError), transaction.atomic():
        model._base_manager.filter(pk=row.pk).update(**change)


def test_only_an_assistants_message_has_feedback_or_a_turn(
    workspace: Workspace,
) -> None:
    asked = one_of_each(workspace)[Message].answers
    for change in ({"feedback": "positive"}, {"status": "failed"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Message.objects.filter(pk=asked.pk).update(**change)


def test_a_conversation_has_one_live_turn(workspace: Workspace) -> None:
    reply = one_of_each(workspace)[Message]
    live = {"status": "streaming", "lease_expires_at": timezone.now()}
    Message.objects.filter(pk=reply.pk).update(**live)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(
            workspace=workspace,
            conversation=reply.conversation,
            role="assistant",
            **live,
        )


@pytest.mark.parametrize("model", [LedgerEntry, AuditEvent])
def test_the_books_are_only_added_to(
    workspace: Workspace, model: type[models.Model]
) -> None:
    if model is LedgerEntry:
        row = LedgerEntry.objects.create(
            workspace=workspace,
            agent_id=1,
            conversation_id=1,
            message_id=1,
            credits=1,
            input_tokens=1,
            output_tokens=1,
            estimated=True,
        )
        change = {"credits": 0}
    else:
        row = AuditEvent.objects.create(workspace=workspace, action="a.b", target="c")
        change = {"action": "nothing.happened"}
    with pytest.raises(DatabaseError), transaction.atomic():
        model._base_manager.filter(pk=row.pk).update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        model._base_manager.filter(pk=row.pk).delete()


def test_an_address_has_one_account(db: None) -> None:
    user = make_user("anna")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email=user.email.upper())


# --- At least one owner -----------------------------------------------------------


def test_the_last_owner_cannot_leave(workspace: Workspace, owner: User) -> None:
    with pytest.raises(LastOwner):
        owner.memberships.get().leave()
    with pytest.raises(LastOwner):
        owner.memberships.get().change_role(Role.ADMIN)


@pytest.mark.parametrize("attack", ["update", "delete"])
def test_the_database_keeps_the_last_owner(
    workspace: Workspace, owner: User, attack: str
) -> None:
    member = Member.objects.filter(user=owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        member.update(role=Role.ADMIN) if attack == "update" else member.delete()
    assert member.get().role == Role.OWNER


def test_of_two_owners_one_may_leave(workspace: Workspace, owner: User) -> None:
    make_member(workspace, Role.OWNER)
    owner.memberships.get().leave()
    assert workspace.members.get().role == Role.OWNER


def test_of_two_owners_who_leave_at_once_one_stays(committed: None) -> None:
    for _ in range(10):
        workspace = make_workspace()
        make_member(workspace, Role.OWNER)
        _all_at_once(
            [
                # Past the model's own care: the database has the last word.
                lambda pk=member.pk: Member.objects.filter(pk=pk).delete()
                for member in workspace.members.all()
            ]
        )
        assert workspace.members.filter(role=Role.OWNER).count() == 1


def _all_at_once(actions: list[Any]) -> None:
    start = threading.Barrier(len(actions))

    def run(action: Any) -> None:
        start.wait()
        try:
            action()
        except DatabaseError:
            pass  # refused, as it should be for one of them
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def refused() -> Iterator[None]:
    """What happens inside does not survive to the end of its transaction."""
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        yield
        # PostgreSQL looks at these constraints only when the transaction commits.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
