"""`manage.py create_key` prints a key and nothing else, or says what is wrong."""

import io
import re
import secrets
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent, AgentStatus
from apikeys import models
from apikeys.models import Access, ApiKey, Environment
from tests.conftest import make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace(db: None) -> Workspace:
    """Of a name that none of those has which other tests have left behind."""
    return make_workspace(f"Acme {secrets.token_hex(4)}")


def create(*arguments: Any) -> ApiKey:
    """Runs the command as a shell would and opens the key that it printed."""
    out = io.StringIO()
    call_command("create_key", *map(str, arguments), stdout=out)
    [secret] = out.getvalue().splitlines()
    key = ApiKey.objects.opened_by(secret)
    assert key is not None
    return key


def test_it_works(workspace: Workspace) -> None:
    key = create("--workspace", workspace.name)
    assert (key.workspace, key.agent, key.access) == (workspace, None, Access.FULL)
    assert key.environment == Environment.LIVE


def test_everything_can_be_said(workspace: Workspace, agent: Agent) -> None:
    key = create(
        *("--workspace", workspace.pk, "--agent", agent.pk, "--access", "read"),
        *("--label", "CI", "--test"),
    )
    assert (key.agent, key.access, key.label) == (agent, Access.READ, "CI")
    assert key.environment == Environment.TEST


def test_an_unknown_workspace_is_answered_with_the_known(workspace: Workspace) -> None:
    first = Workspace.objects.order_by("pk")[0]
    with pytest.raises(CommandError, match=rf"{first.pk}  {re.escape(first.name)}"):
        create("--workspace", "Acne")


def test_an_ambiguous_name_asks_for_the_number(workspace: Workspace) -> None:
    twin = make_workspace(workspace.name)
    with pytest.raises(CommandError, match=rf"Several(.|\n)*{twin.pk}  Acme"):
        create("--workspace", workspace.name)
    assert create("--workspace", twin.pk).workspace == twin


def test_a_foreign_or_archived_agent_is_none(
    workspace: Workspace, agent: Agent
) -> None:
    foreign = Agent.objects.create(workspace=make_workspace("Else"), name="Foreign")
    archived = Agent.objects.create(
        workspace=workspace, name="Old", status=AgentStatus.ARCHIVED
    )
    for wrong in (foreign.pk, archived.pk, "1_0", "٣", "x"):
        with pytest.raises(CommandError, match=rf"has no agent(.|\n)*{agent.pk}  Supp"):
            create("--workspace", workspace.pk, "--agent", wrong)


def test_too_many_keys_is_a_sentence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MAX_KEYS", 0)
    with pytest.raises(CommandError, match="Revoke one"):
        create("--workspace", workspace.pk)


@pytest.mark.parametrize("label", ["", "  ", "x" * 81])
def test_a_label_fits(workspace: Workspace, label: str) -> None:
    with pytest.raises(CommandError, match="1 to 80"):
        create("--workspace", workspace.pk, "--label", label)
