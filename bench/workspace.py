"""Fills an empty database with the workspace that is measured, and says what is in it.

BOOKBAG_DATA=… python -m bench.workspace
"""

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")
django.setup()

from agents.models import Agent  # noqa: E402  (all after setup)
from apikeys.models import ApiKey  # noqa: E402
from bench.questions import WORDS  # noqa: E402
from bookbag.demo import northwind  # noqa: E402
from knowledge import indexing  # noqa: E402
from knowledge.models import Source, SourceKind  # noqa: E402
from workspaces.models import User, Workspace  # noqa: E402

BIG = 1_000_000  # requests in a window: more than any scenario makes


def fill() -> dict[str, object]:
    owner = User.objects.create_user("bench@bookbag.example", None, name="Bench")
    workspace = Workspace.objects.found("Bench", owner=owner)
    agent = Agent.objects.create(workspace=workspace, name="Reader")
    for title, text in northwind.texts("support").items():
        _source(agent, SourceKind.TEXT, title=title, content=text)
    for question, words in WORDS.items():
        answer = " ".join(f"word{number}" for number in range(words))
        _source(agent, SourceKind.QA, title=question, question=question, content=answer)
    _, key = ApiKey.objects.issue(workspace, label="Open", rate_limit=BIG)
    _, spent = ApiKey.objects.issue(workspace, label="Spent", rate_limit=0)
    return {"agent_id": agent.pk, "key": key, "spent_key": spent}


def _source(agent: Agent, kind: str, **fields: str) -> None:
    source = Source.objects.create(
        workspace_id=agent.workspace_id, agent=agent, kind=kind, **fields
    )
    indexing.index_source(source.pk)


if __name__ == "__main__":
    print(json.dumps(fill()))
