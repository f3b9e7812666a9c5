from django.urls import path

from dashboard import doors, views
from dashboard.conversations import views as conversations
from dashboard.keys import views as keys
from dashboard.leads import views as leads

urlpatterns = [
    path("", views.home, name="home"),
    path("checklist", views.progress, name="checklist"),
    path("theme", views.choose_theme, name="choose_theme"),
    path("workspace", views.switch_workspace, name="switch_workspace"),
    # /agents/<agent_id>, /conversations and /leads
    path("conversations", conversations.any_conversations, name="conversations"),
    path("leads", leads.any_leads, name="leads"),
    # … for people, and for programs with a key
    path(
        "agents/<agent_id>/conversations",
        doors.agent_conversations,
        name="agent_conversations",
    ),
    path("conversations/<conversation_id>", doors.conversation, name="conversation"),
    path("agents/<agent_id>/leads", doors.agent_leads, name="agent_leads"),
    path(
        "agents/<agent_id>/leads/export",
        doors.agent_leads_export,
        name="agent_leads_export",
    ),
    # /apikeys
    path("apikeys", keys.keys, name="api_keys"),
    path("apikeys/new", keys.new_key, name="new_api_key"),
    path("apikeys/<int:key_id>", keys.key, name="api_key"),
    path("apikeys/<int:key_id>/revoke", keys.revoke_key, name="revoke_api_key"),
    path("apikeys/<int:key_id>/rotate", keys.rotate_key, name="rotate_api_key"),
]
