from django.contrib import admin

from bookbag.admin import ReadOnlyAdmin
from imports.models import Import, ImportedRow


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "url",
        "begun_at",
        "stirred_at",
        "finished_at",
        "markers",
        "summary",
    )
    list_display = ("url", "workspace", "begun_at", "stirred_at", "finished_at")
    list_select_related = ("workspace",)
    search_fields = ("url", "workspace__name")
    ordering = ("-id",)


@admin.register(ImportedRow)
class ImportedRowAdmin(ReadOnlyAdmin):
    fields = ("workspace", "origin", "agent", "kind", "source_id", "row_id", "marks")
    list_display = ("id", "kind", "source_id", "row_id", "agent", "created_at")
    list_filter = ("kind",)
    list_select_related = ("agent",)
    search_fields = ("=source_id", "=row_id")
    ordering = ("-id",)
