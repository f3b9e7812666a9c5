"""The page /agents/<id>/leads: for every member."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from contacts.models import Lead
from dashboard import agents
from dashboard.examples import lead_command
from dashboard.leads.rows import Row
from dashboard.paging import Position, page_of
from workspaces.access import WorkspaceRequest, member_required


@member_required()
@require_safe
def any_leads(request: WorkspaceRequest) -> HttpResponse:
    """The first agent's."""
    return agents.to_first(request, "agent_leads", title="Leads")


@member_required()
@require_safe
def leads(request: WorkspaceRequest, agent_id: str) -> HttpResponse:
    """Who left their details with an agent, the newest first."""
    agent = agents.agent_or_404(request, agent_id)
    after = Position.read(request.GET.get("before", ""))
    rows = Lead.objects.for_workspace(request.workspace).filter(agent=agent)
    found, older = page_of(
        rows.select_related("conversation"), by="created_at", after=after
    )
    return render(
        request,
        "dashboard/leads/leads.html",
        {
            "agent": agent,
            "agents": agents.choices(request.workspace),
            "rows": [Row.of(lead) for lead in found],
            "older": older,
            "is_newest": after is None,
            "command": "" if found or after else lead_command(agent),
        },
    )
