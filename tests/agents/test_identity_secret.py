"""`manage.py identity_secret`."""

import hmac
import io

import pytest
from django.core.management import CommandError, call_command

from agents import identity
from agents.models import Agent, AgentStatus


def printed(*arguments: str) -> str:
    output = io.StringIO()
    call_command("identity_secret", *arguments, stdout=output)
    return output.getvalue().strip()


def signed(secret: str) -> str:
    return hmac.new(secret.encode(), b"ann", "sha256").hexdigest()


def test_what_is_printed_signs(agent: Agent) -> None:
    secret = printed("--agent", str(agent.pk))
    assert printed("--agent", str(agent.pk)) == secret
    assert identity.is_genuine(agent, "ann", signed(secret))


def test_a_new_one_ends_the_old_one(agent: Agent) -> None:
    old = printed("--agent", str(agent.pk))
    new = printed("--agent", str(agent.pk), "--rotate")
    assert not identity.is_genuine(agent, "ann", signed(old))
    assert identity.is_genuine(agent, "ann", signed(new))


@pytest.mark.parametrize("number", ["x", "0", "99999999", "1\n", "-1"])
def test_an_agent_that_is_not_there_is_said_so(db: None, number: str) -> None:
    with pytest.raises(CommandError, match="agent"):
        printed("--agent", number)


def test_an_archived_one_is_not_there(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(status=AgentStatus.ARCHIVED)
    with pytest.raises(CommandError, match=f"There is no agent {agent.pk}"):
        printed("--agent", str(agent.pk))
