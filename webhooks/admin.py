from django.contrib import admin

from bookbag.admin import ReadOnlyAdmin
from webhooks.models import WebhookEvent


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "name", "workspace", "created_at")
    list_filter = ("name",)
    list_select_related = ("workspace",)
    search_fields = ("=id", "workspace__name")
    ordering = ("-id",)  # the primary key: no table is sorted for a page
