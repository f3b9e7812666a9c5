"""API v1: routes."""

from django.urls import URLPattern, path

from contacts.api import leads

urlpatterns: list[URLPattern] = [
    # /api/v1/
    path("get-leads", leads.GetLeadsView.as_view(), name="v1_get_leads"),
    # /api/v1/agents/<agent_id>/leads
    path("agents/<agent_id>/leads", leads.LeadsView.as_view(), name="v1_agent_leads"),
    path(
        "agents/<agent_id>/leads/export",
        leads.LeadsExportView.as_view(),
        name="v1_leads_export",
    ),
]
