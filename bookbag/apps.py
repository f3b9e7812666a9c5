from django.apps import AppConfig


class BookbagConfig(AppConfig):
    name = "bookbag"
