"""What every page of the staff admin has in common: it stays quick on large tables."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST = 10_000  # rows a list counts and pages through; beyond that, search


class CappedPaginator(Paginator):
    """Counts no further than a person would page: COUNT(*) reads the whole table."""

    object_list: models.QuerySet

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:MOST].count()


class StaffAdmin(admin.ModelAdmin):
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50


class TenantForm(forms.ModelForm):
    """Of a workspace and, where an agent is named, of an agent in it."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        agent, workspace = cleaned.get("agent"), cleaned.get("workspace")
        if agent and workspace and agent.workspace != workspace:
            self.add_error("agent", "This agent is of another workspace.")
        return cleaned


class TenantAdmin(StaffAdmin):
    """Of a workspace: chosen when the row is made, and never changed."""

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> list[str]:
        fixed = ["workspace"] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]


class ReadOnlyAdmin(StaffAdmin):
    """To be looked at: what was said and done is nobody's to rewrite."""

    actions = None

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False
