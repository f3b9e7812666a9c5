from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from bookbag.guards import drop_sqlite_guards, make_sqlite_guards
from workspaces.guards import LAST_OWNER


class WorkspacesConfig(AppConfig):
    name = "workspaces"
    default_auto_field = "django.db.models.BigAutoField"
    guards = (LAST_OWNER,)

    def ready(self) -> None:
        # The signals come once for each app that has models; once is enough.
        pre_migrate.connect(drop_sqlite_guards, sender=self)
        post_migrate.connect(make_sqlite_guards, sender=self)
