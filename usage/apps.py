from importlib import import_module

from django.apps import AppConfig

from usage.guards import AUDIT, DAILY, LEDGER


class UsageConfig(AppConfig):
    name = "usage"
    default_auto_field = "django.db.models.BigAutoField"
    guards = (LEDGER, AUDIT, DAILY)

    def ready(self) -> None:
        # It listens for requests; before the models are there it cannot be imported.
        import_module("usage.request_counts")
