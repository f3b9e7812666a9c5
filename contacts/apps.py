from django.apps import AppConfig

from contacts.guards import COUNTS


class ContactsConfig(AppConfig):
    name = "contacts"
    default_auto_field = "django.db.models.BigAutoField"
    guards = (COUNTS,)
