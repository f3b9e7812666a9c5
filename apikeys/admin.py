from django.contrib import admin

from apikeys.models import IdempotencyKey
from bookbag.admin import ReadOnlyAdmin


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "workspace", "api_key", "name", "route", "status")
    list_select_related = ("workspace", "api_key")
    search_fields = ("=name", "=api_key__prefix", "workspace__name")
    ordering = ("-id",)
