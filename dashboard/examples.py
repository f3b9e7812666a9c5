"""Calls to paste into a shell: the reader's own agent and host, never a real key."""

import json
import shlex

from django.conf import settings

from agents.models import Agent
from knowledge.models import Source, SourceKind, SourceStatus


def chat_command(agent: Agent) -> str:
    """A curl line that streams an answer of the agent."""
    body = json.dumps({"message": _question(agent)}, ensure_ascii=False)
    return " \\\n  ".join(
        [
            f"curl -N {settings.BASE_URL}/api/v2/agents/{agent.pk}/chat",
            '-H "Authorization: Bearer $BOOKBAG_API_KEY"',
            '-H "Content-Type: application/json"',
            f"-d {shlex.quote(body)}",
        ]
    )


def _question(agent: Agent) -> str:
    """One that the agent has an answer to, if anybody wrote such a one down."""
    known = Source.objects.filter(
        agent=agent, kind=SourceKind.QA, status=SourceStatus.READY
    )
    source = known.exclude(question="").order_by("id").first()
    return source.question if source else "What can you help me with?"
