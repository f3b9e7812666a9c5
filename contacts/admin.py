from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from bookbag.admin import ReadOnlyAdmin, StaffAdmin
from contacts.models import Lead


@admin.register(Lead)
class LeadAdmin(ReadOnlyAdmin):
    """Nobody's to rewrite; but who left their details may want them gone."""

    list_display = ("__str__", "email", "phone", "agent", "workspace", "created_at")
    list_select_related = ("agent", "workspace")
    search_fields = ("=id", "name", "email", "phone", "fields", "workspace__name")
    ordering = ("-id",)  # the primary key: no table is sorted for a page

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return StaffAdmin.has_delete_permission(self, request, *args)
