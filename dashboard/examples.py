"""Calls to paste into a shell: the reader's own agent and host, never a real key."""

import json
import shlex

from django.conf import settings

from agents import sites
from agents.models import Agent, AgentStatus, Widget
from knowledge.models import Source, SourceKind, SourceStatus

KEY = '-H "Authorization: Bearer $BOOKBAG_API_KEY"'


def chat_command(agent: Agent) -> str:
    """A curl line that streams an answer of the agent."""
    url = f"{settings.BASE_URL}/api/v2/agents/{agent.pk}/chat"
    return _command(f"curl -N {url}", KEY, body={"message": _question(agent)})


def lead_command(agent: Agent) -> str:
    """A curl line that leaves a lead with the agent."""
    url = f"{settings.BASE_URL}/agents/{agent.pk}/leads"
    # Anybody may, unless the agent is a draft or keeps to some sites.
    widget = Widget.objects.for_workspace(agent.workspace_id).filter(agent=agent)
    is_open = sites.is_allowed(widget.first(), None)
    key = [] if is_open and agent.status == AgentStatus.ACTIVE else [KEY]
    body = {
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "fields": {"Company": "Analytical Engines"},
    }
    return _command(f"curl {url}", *key, body=body)


def _command(*beginning: str, body: dict[str, object]) -> str:
    said = shlex.quote(json.dumps(body, ensure_ascii=False))
    json_header = '-H "Content-Type: application/json"'
    return " \\\n  ".join([*beginning, json_header, f"-d {said}"])


def _question(agent: Agent) -> str:
    """One that the agent has an answer to, if anybody wrote such a one down."""
    known = Source.objects.filter(
        agent=agent, kind=SourceKind.QA, status=SourceStatus.READY
    )
    source = known.exclude(question="").order_by("id").first()
    return source.question if source else "What can you help me with?"
