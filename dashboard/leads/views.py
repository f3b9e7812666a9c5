"""The page /agents/<id>/leads: for every member."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from dashboard.agents import agent_or_404
from workspaces.access import WorkspaceRequest, member_required


@member_required()
@require_GET
def leads(request: WorkspaceRequest, agent_id: str) -> HttpResponse:
    """Who left their details with an agent, the newest first."""
    context = {"agent": agent_or_404(request, agent_id)}
    return render(request, "dashboard/leads/leads.html", context)
