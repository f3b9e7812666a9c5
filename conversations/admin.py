from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from bookbag.admin import ReadOnlyAdmin
from conversations.models import (
    Conversation,
    ConversationEvent,
    ConversationTotal,
    Message,
    ToolCall,
)


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "agent",
        "title",
        "end_user",
        "external_id",
        "status",
        "channel",
        "is_test",
        "api_key",
        "messages_link",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("messages_link",)
    list_display = (
        "__str__",
        "agent",
        "workspace",
        "end_user",
        "status",
        "channel",
        "is_test",
        "updated_at",
    )
    list_filter = ("status", "channel", "is_test")
    list_select_related = ("agent", "workspace")
    search_fields = ("=id", "end_user", "title", "agent__name", "workspace__name")
    ordering = ("-id",)  # the primary key: no table is sorted for a page

    @admin.display(description="messages")
    def messages_link(self, conversation: Conversation) -> str:
        path = reverse("admin:conversations_message_changelist")
        query = urlencode({"conversation__id__exact": conversation.pk})
        return format_html('<a href="{}?{}">Read them</a>', path, query)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "conversation",
        "role",
        "author",
        "text",
        "answers",
        "replaces",
        "citations",
        "confidence",
        "score",
        "engine",
        "model",
        "finish_reason",
        "credits",
        "error",
        "feedback",
        "status",
        "lease_expires_at",
        "created_at",
        "finished_at",
        "hidden_at",
    )
    list_display = ("id", "conversation", "role", "beginning", "status", "feedback")
    list_filter = ("role", "status", "feedback")
    list_select_related = ("conversation",)
    search_fields = ("=id", "=conversation__id", "text")
    search_help_text = "An id of a message or conversation, or words of the text."
    ordering = ("-id",)

    @admin.display(description="text")
    def beginning(self, message: Message) -> str:
        return message.text[:100]


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "conversation",
        "message",
        "call_id",
        "name",
        "input",
        "output",
        "status",
        "used_by",
        "created_at",
        "submitted_at",
        "expires_at",
    )
    list_display = ("name", "call_id", "conversation", "status", "created_at")
    list_filter = ("status",)
    list_select_related = ("conversation",)
    search_fields = ("=call_id", "name", "=conversation__id")
    ordering = ("-id",)


@admin.register(ConversationEvent)
class ConversationEventAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "conversation",
        "seq",
        "kind",
        "message",
        "actor",
        "created_at",
    )
    list_display = ("id", "conversation", "seq", "kind", "actor", "created_at")
    list_filter = ("kind",)
    list_select_related = ("conversation", "actor")
    search_fields = ("=conversation__id",)
    ordering = ("-id",)


@admin.register(ConversationTotal)
class ConversationTotalAdmin(ReadOnlyAdmin):
    fields = ("workspace", "agent_id", "slot", "total")
    list_display = ("id", "workspace", "agent_id", "slot", "total")
    list_select_related = ("workspace",)
    search_fields = ("=agent_id",)
    ordering = ("-id",)
