from django.urls import path

from dashboard import views
from dashboard.keys import views as keys

urlpatterns = [
    path("", views.home, name="home"),
    path("checklist", views.progress, name="checklist"),
    path("theme", views.choose_theme, name="choose_theme"),
    path("workspace", views.switch_workspace, name="switch_workspace"),
    # /apikeys
    path("apikeys", keys.keys, name="api_keys"),
    path("apikeys/new", keys.new_key, name="new_api_key"),
    path("apikeys/<int:key_id>", keys.key, name="api_key"),
    path("apikeys/<int:key_id>/revoke", keys.revoke_key, name="revoke_api_key"),
    path("apikeys/<int:key_id>/rotate", keys.rotate_key, name="rotate_api_key"),
]
