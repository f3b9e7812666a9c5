from django.contrib import admin

from bookbag.admin import ReadOnlyAdmin
from usage.models import AuditEvent, DailyUsage, LedgerEntry, RequestCount


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "workspace",
        "agent_id",
        "message_id",
        "engine",
        "model",
        "credits",
        "input_tokens",
        "output_tokens",
        "estimated",
    )
    list_filter = ("engine", "estimated")
    list_select_related = ("workspace",)
    search_fields = ("=message_id", "=conversation_id", "=agent_id", "workspace__name")
    ordering = ("-id",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "workspace", "actor", "action", "target")
    list_select_related = ("workspace", "actor")
    search_fields = ("action", "=target", "actor__email", "workspace__name")
    ordering = ("-id",)


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnlyAdmin):
    list_display = (
        "day",
        "workspace",
        "agent_id",
        "api_key_id",
        "slot",
        "replies",
        "credits",
        "input_tokens",
        "output_tokens",
    )
    list_select_related = ("workspace",)
    search_fields = ("=agent_id", "=api_key_id", "workspace__name")
    ordering = ("-id",)


@admin.register(RequestCount)
class RequestCountAdmin(ReadOnlyAdmin):
    list_display = ("day", "workspace", "agent_id", "api_key_id", "requests")
    list_select_related = ("workspace",)
    search_fields = ("=agent_id", "=api_key_id", "workspace__name")
    ordering = ("-id",)
