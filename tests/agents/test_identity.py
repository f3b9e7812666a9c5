"""A visitor is who the site says, if the site has signed it."""

import hashlib
import hmac
import threading
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, Settings

from agents import identity
from agents.models import Agent, Widget
from bookbag import vault
from tests.conftest import make_workspace
from workspaces.models import Workspace


def signed(secret: str, user_id: str) -> str:
    return hmac.new(secret.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def test_it_works(agent: Agent) -> None:
    secret = identity.secret_of(agent)
    assert identity.is_genuine(agent, "u-7", signed(secret, "u-7"))


def test_the_secret_is_made_once(agent: Agent) -> None:
    secret = identity.secret_of(agent)
    assert len(secret) == 64
    assert identity.secret_of(agent) == secret
    assert Widget.objects.get().workspace == agent.workspace


def test_it_is_not_readable_in_the_database(agent: Agent) -> None:
    secret = identity.secret_of(agent)
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_secret FROM agents_widget")
        ((kept,),) = cursor.fetchall()
    assert secret.encode() not in bytes(kept)
    assert vault.decrypt(kept).decode() == secret


def test_a_widget_that_is_there_keeps_all_else(agent: Agent) -> None:
    Widget.objects.create(
        workspace=agent.workspace, agent=agent, domains=["shop.example"]
    )
    identity.secret_of(agent)
    identity.rotate(agent)
    assert Widget.objects.get().domains == ["shop.example"]


def test_agents_have_secrets_of_their_own(workspace: Workspace, agent: Agent) -> None:
    other = Agent.objects.create(workspace=workspace, name="Sales")
    secret, others = identity.secret_of(agent), identity.secret_of(other)
    assert secret != others
    assert not identity.is_genuine(agent, "u-7", signed(others, "u-7"))


def test_asking_makes_no_secret(
    agent: Agent, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert not identity.is_genuine(agent, "u-7", signed("", "u-7"))
    assert not Widget.objects.exists()
    Widget.objects.create(workspace=agent.workspace, agent=agent)
    assert not identity.is_genuine(agent, "u-7", signed("", "u-7"))
    assert Widget.objects.get().identity_secret is None


def test_a_new_secret_ends_the_old_one(agent: Agent) -> None:
    old = identity.secret_of(agent)
    new = identity.rotate(agent)
    assert identity.secret_of(agent) == new != old
    assert not identity.is_genuine(agent, "u-7", signed(old, "u-7"))
    assert identity.is_genuine(agent, "u-7", signed(new, "u-7"))


def test_it_may_begin_with_a_new_secret(agent: Agent) -> None:
    assert identity.rotate(agent) == identity.secret_of(agent)


@pytest.mark.parametrize(
    "user_id", ["u-7", "jörg@example.com", "用户", "a b", "7" * 255]
)
def test_an_id_may_be_any_text(agent: Agent, user_id: str) -> None:
    given = signed(identity.secret_of(agent), user_id)
    assert identity.is_genuine(agent, user_id, given)
    assert identity.is_genuine(agent, user_id, given.upper())


def test_what_is_no_hash_of_it_is_not_believed(agent: Agent) -> None:
    secret = identity.secret_of(agent)
    good = signed(secret, "u-7")
    for wrong in [
        "",
        good[:-1],
        good[:32],
        good + "\n",
        good + "0",
        f" {good}",
        good.replace(good[0], "g"),
        "0" * 64,
        "\u0660" * 64,
        "\ud800",
        "\0" * 64,
        signed(secret, "u-8"),
        signed(secret, "u-7 "),
        hashlib.sha256(f"{secret}u-7".encode()).hexdigest(),
        hmac.new(secret.encode(), b"u-7", hashlib.sha1).hexdigest(),
        hmac.new(bytes.fromhex(secret), b"u-7", hashlib.sha256).hexdigest(),
        secret,
    ]:
        assert not identity.is_genuine(agent, "u-7", wrong), wrong


@pytest.mark.parametrize(
    "junk", [None, True, 7, 1.5, b"u-7", [], {}, "", "\0", "a\0b", "\ud800", "7" * 256]
)
def test_what_is_no_id_is_nobody(agent: Agent, junk: Any) -> None:
    secret = identity.secret_of(agent)
    given = signed(secret, str(junk).encode("utf-8", "replace").decode())
    assert not identity.is_genuine(agent, junk, given)
    assert not identity.is_genuine(agent, "u-7", junk)


@profile(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=200,
    deadline=None,
)
@given(user_id=st.text(max_size=300), user_hash=st.text(max_size=80))
def test_no_text_is_believed_by_chance(
    agent: Agent, user_id: str, user_hash: str
) -> None:
    identity.secret_of(agent)
    assert not identity.is_genuine(agent, user_id, user_hash)


def test_without_its_key_nobody_is_recognised(agent: Agent, settings: Settings) -> None:
    good = signed(identity.secret_of(agent), "u-7")
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    assert not identity.is_genuine(agent, "u-7", good)
    with pytest.raises(vault.Unreadable):
        identity.secret_of(agent)
    identity.rotate(agent)  # which is the cure
    assert identity.secret_of(agent)


def test_an_old_key_can_be_dropped_once_all_are_renewed(
    workspace: Workspace, agent: Agent, settings: Settings, capsys: Any
) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.SECRETS_KEYS = [old]
    secret = identity.secret_of(agent)
    Widget.objects.create(
        workspace=workspace, agent=Agent.objects.create(workspace=workspace, name="B")
    )
    settings.SECRETS_KEYS = [new, old]
    call_command("renew_secrets")
    assert capsys.readouterr().out == "1 identity secret renewed.\n"
    settings.SECRETS_KEYS = [new]
    assert identity.secret_of(agent) == secret


def test_what_cannot_be_renewed_is_said(agent: Agent, settings: Settings) -> None:
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    identity.secret_of(agent)
    before = Widget.objects.values_list("identity_secret", flat=True).get()
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="1 identity secret cannot be read"):
        call_command("renew_secrets")
    after = Widget.objects.values_list("identity_secret", flat=True).get()
    assert bytes(after) == bytes(before)


def test_who_come_at_once_get_the_same_secret(committed: None) -> None:
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    together, made = threading.Barrier(6), []

    def ask() -> None:
        try:
            together.wait(60)
            made.append(identity.secret_of(agent))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 6
    assert set(made) == {identity.secret_of(agent)}
