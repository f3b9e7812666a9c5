"""Fills an empty installation with a workspace worth trying."""

import asyncio
import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from agents.models import Agent
from apikeys.models import ApiKey, Environment
from bookbag.database import require_migrated
from bookbag.demo import northwind
from bookbag.environment import kept_secret
from conversations import runs
from conversations.asks import Ask
from conversations.models import Channel, Conversation
from knowledge import indexing
from knowledge.models import Source, SourceKind
from workspaces.models import Member, Role, User, Workspace

KEY_LABEL = "Demo"
KEPT_KEYS = 50  # every call makes one; older ones are revoked


class Command(BaseCommand):
    help = (
        "Makes the demo workspace if it is not there, and a new API key for it at each"
        f" call (the newest {KEPT_KEYS} work). Prints how to try it; as JSON with"
        " --json."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, **options: Any) -> None:
        require_migrated()
        facts = seed()
        self.stdout.write(
            json.dumps(facts, indent=2) if options["json"] else welcome(facts)
        )


def seed() -> dict[str, Any]:
    """The facts of the demo workspace, made if need be, with a new key's secret."""
    workspace, owner = _workspace()
    for plan in northwind.AGENTS:
        _agent(workspace, plan)
    support = Agent.objects.for_workspace(workspace).get(name=northwind.AGENTS[0].name)
    return {
        "base_url": settings.BASE_URL,
        "workspace": workspace.name,
        "agent_id": support.pk,
        "api_key": _fresh_key(workspace, owner),
        "email": owner.email,
        "password": _known_password(owner),
    }


def welcome(facts: dict[str, Any]) -> str:
    password = facts["password"] or "(the one you chose)"
    return f"""
  Bookbag is at {facts["base_url"]}

  Sign in      {facts["email"]}
  Password     {password}
  Agent        {facts["agent_id"]}  ({northwind.AGENTS[0].name})
  API key      {facts["api_key"]}

  Ask the agent something:

curl -N {facts["base_url"]}/api/v2/agents/{facts["agent_id"]}/chat \\
  -H "Authorization: Bearer {facts["api_key"]}" \\
  -H "Content-Type: application/json" \\
  -d '{{"message": "Do you ship to Canada?"}}'
"""


def _workspace() -> tuple[Workspace, User]:
    with transaction.atomic():
        people = {role: _person(role) for role in northwind.PEOPLE}
        owner = people["owner"]
        workspace = (
            Workspace.objects.of(owner).filter(name=northwind.WORKSPACE).first()
        ) or Workspace.objects.found(northwind.WORKSPACE, owner=owner)
        for role, user in people.items():
            Member.objects.get_or_create(
                workspace=workspace, user=user, defaults={"role": Role(role)}
            )
    return workspace, owner


def _person(role: str) -> User:
    email = f"{role}@northwind.example"
    found = User.objects.filter(email=email).first()
    if found is not None:
        return found
    is_owner = role == "owner"
    return User.objects.create_user(
        email,
        _demo_password(),
        name=northwind.PEOPLE[role],
        is_staff=is_owner,
        is_superuser=is_owner,
    )


def _password_file() -> Path:
    return settings.DATA_DIR / "demo_password"


def _demo_password() -> str:
    """Kept beside the database, for the eyes of whoever runs this installation."""
    return kept_secret(_password_file(), length=9)


def _known_password(owner: User) -> str | None:
    """The demo password, as long as nobody has chosen another."""
    path = _password_file()
    password = path.read_text() if path.exists() else ""
    return password if owner.check_password(password) else None


def _agent(workspace: Workspace, plan: northwind.DemoAgent) -> None:
    agent, _ = Agent.objects.get_or_create(
        workspace=workspace,
        name=plan.name,
        defaults={
            "instructions": plan.instructions,
            "fallback_message": plan.fallback_message,
        },
    )
    if not agent.sources.exists():
        for title, text in northwind.texts(plan.folder).items():
            _source(agent, SourceKind.TEXT, title=title, content=text)
        for question, reply in plan.answers.items():
            _source(
                agent, SourceKind.QA, title=question, question=question, content=reply
            )
    for source_id in agent.sources.exclude(status="ready").values_list("pk", flat=True):
        indexing.index_source(source_id)
    if not Conversation.objects.filter(agent=agent).exists():
        agent.refresh_from_db()  # indexing has moved its version on
        asyncio.run(_converse(agent, plan.conversations))


def _source(agent: Agent, kind: str, **fields: str) -> None:
    Source.objects.create(
        workspace_id=agent.workspace_id, agent=agent, kind=kind, **fields
    )


async def _converse(agent: Agent, conversations: list[list[str]]) -> None:
    """Real replies, made as for any visitor."""
    for number, questions in enumerate(conversations, start=1):
        conversation_id = None
        for question in questions:
            ask = Ask(
                agent=agent,
                text=question,
                conversation_id=conversation_id,
                end_user=f"visitor-{number}",
                channel=Channel.PLAYGROUND,
            )
            run = await runs.begin(ask)
            await run.wait()
            conversation_id = run.turn.conversation_id


def _fresh_key(workspace: Workspace, owner: User) -> str:
    keys = ApiKey.objects.for_workspace(workspace).filter(label=KEY_LABEL).live()
    for key in keys.order_by("-id")[KEPT_KEYS - 1 :]:
        key.revoke()
    _, secret = ApiKey.objects.issue(
        workspace, label=KEY_LABEL, environment=Environment.TEST, created_by=owner
    )
    return secret
