"""From an empty workspace to the first call: how far it is, read from the data."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q

from agents.models import Agent
from apikeys.models import ApiKey
from knowledge.models import Source, SourceStatus
from workspaces.models import Workspace

WAITING = (SourceStatus.QUEUED, SourceStatus.INDEXING)


@dataclass(frozen=True)
class Checklist:
    agent: Agent | None
    ready: int
    waiting: int
    failed: Source | None
    keys: int
    called_at: datetime | None

    @property
    def steps(self) -> dict[str, bool]:
        """Each step in its order, and whether it is done."""
        return {
            "agent": self.agent is not None,
            "sources": self.ready > 0 and self.waiting == 0,
            "key": self.keys > 0 or self.called_at is not None,
            "call": self.called_at is not None,
        }

    @property
    def done(self) -> int:
        return sum(self.steps.values())

    @property
    def complete(self) -> bool:
        return all(self.steps.values())

    @property
    def next(self) -> str:
        """The first step that is still to do; "" where none is."""
        return next((name for name, done in self.steps.items() if not done), "")

    @property
    def state(self) -> str:
        """Changes whenever the page would: a page that polls shows this one already."""
        agent = self.agent.pk if self.agent else 0
        failed = self.failed.pk if self.failed else 0
        called = int(self.called_at is not None)
        return f"{agent}.{self.ready}.{self.waiting}.{failed}.{self.keys}.{called}"


def checklist(workspace: Workspace) -> Checklist:
    agents = Agent.objects.for_workspace(workspace).existing()
    sources = Source.objects.for_workspace(workspace).filter(agent__in=agents)
    counts = sources.aggregate(
        ready=Count("id", filter=Q(status=SourceStatus.READY)),
        waiting=Count("id", filter=Q(status__in=WAITING)),
    )
    keys = ApiKey.objects.for_workspace(workspace)
    return Checklist(
        agent=agents.order_by("id").first(),
        ready=counts["ready"],
        waiting=counts["waiting"],
        failed=sources.filter(status=SourceStatus.FAILED).order_by("id").first(),
        keys=keys.live().count(),
        called_at=keys.aggregate(last=Max("last_used_at"))["last"],
    )
