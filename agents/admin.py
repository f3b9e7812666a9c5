from typing import Any

from django import forms
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

    def save_model(
        self, request: HttpRequest, obj: Agent, form: forms.ModelForm, change: bool
    ) -> None:
        if not change:
            obj.save()
        elif form.changed_data:
            # Not the index's version: a worker may have raised it since it was read,
            # and a version that comes twice shows an index of other words.
            obj.save(update_fields=[*form.changed_data, "updated_at"])

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Archive it: its conversations are somebody's."""
        return False
