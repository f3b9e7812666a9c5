"""The pages /agents/<id>/conversations and /conversations/<id>: for every member."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from agents.models import Agent
from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id
from conversations.models import Conversation
from dashboard.agents import agent_or_404
from workspaces.access import WorkspaceRequest, member_required


@member_required()
@require_GET
def conversations(request: WorkspaceRequest, agent_id: str) -> HttpResponse:
    """An agent's conversations, the newest first."""
    context = {"agent": agent_or_404(request, agent_id)}
    return render(request, "dashboard/conversations/conversations.html", context)


@member_required()
@require_GET
def conversation(request: WorkspaceRequest, conversation_id: str) -> HttpResponse:
    """What was said in one of them."""
    found = _conversation(request, str(conversation_id))
    context = {"conversation": found, "agent": found.agent}
    return render(request, "dashboard/conversations/conversation.html", context)


def _conversation(request: WorkspaceRequest, conversation_id: str) -> Conversation:
    try:
        number = parse_path_id(conversation_id)
    except NotFound as problem:
        raise Http404("There is no such conversation.") from problem
    agents = Agent.objects.for_workspace(request.workspace).existing()
    conversations = Conversation.objects.for_workspace(request.workspace)
    mine = conversations.filter(agent__in=agents).select_related("agent", "contact")
    found = mine.filter(pk=number).first()
    if found is None:
        raise Http404("There is no such conversation.")
    return found
