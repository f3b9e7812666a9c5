"""Whose page it is: the agent that an address names, and the others to switch to."""

from collections.abc import Sequence

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from agents.access import chatbot_for
from agents.models import Agent
from bookbag.api.errors import NotFound
from workspaces.access import WorkspaceRequest
from workspaces.models import Workspace

MOST = 200  # agents that the switch offers


def agent_or_404(request: WorkspaceRequest, agent_id: str | int) -> Agent:
    """The member's agent of this id; whatever the API does not know is no page."""
    try:
        return chatbot_for(request.member, str(agent_id))
    except NotFound as problem:
        raise Http404(problem.message) from problem


def choices(workspace: Workspace) -> Sequence[Agent]:
    """The agents of the workspace by name, for the switch."""
    agents = Agent.objects.for_workspace(workspace).existing()
    return agents.only("id", "name")[:MOST]


def to_first(request: WorkspaceRequest, view_name: str, *, title: str) -> HttpResponse:
    """To this page of the first agent; without one, what there is to do."""
    agents = Agent.objects.for_workspace(request.workspace).existing()
    first = agents.order_by("id").first()
    if first is not None:
        return redirect(view_name, first.pk)
    return render(request, "dashboard/no_agent.html", {"title": title})
