from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents.models import Agent
from bookbag.admin import TenantAdmin


@admin.register(Agent)
class AgentAdmin(TenantAdmin):
    fields = (
        "workspace",
        "name",
        "status",
        "instructions",
        "model",
        "temperature",
        "fallback_message",
        "language",
        "index_version",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("index_version", "created_at", "updated_at")
    autocomplete_fields = ("workspace",)
    list_display = ("name", "id", "workspace", "status", "model", "updated_at")
    list_filter = ("status",)
    list_select_related = ("workspace",)
    search_fields = ("name", "=id", "workspace__name")

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Archive it: its conversations are somebody's."""
        return False
