from django.apps import AppConfig

from usage.guards import AUDIT, LEDGER


class UsageConfig(AppConfig):
    name = "usage"
    default_auto_field = "django.db.models.BigAutoField"
    guards = (LEDGER, AUDIT)
