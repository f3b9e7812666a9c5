from importlib import import_module

from django.apps import AppConfig


class BookbagConfig(AppConfig):
    name = "bookbag"

    def ready(self) -> None:
        # DRF's views import the classes that REST_FRAMEWORK names, and those import
        # DRF. Begun from our side that is a circle; begun from theirs it is none.
        import_module("rest_framework.views")
