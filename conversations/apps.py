from django.apps import AppConfig

from conversations.guards import TOTALS, WORDS


class ConversationsConfig(AppConfig):
    name = "conversations"
    default_auto_field = "django.db.models.BigAutoField"
    guards = (TOTALS, WORDS)
