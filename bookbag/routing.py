"""The sockets, on one screen. The live pages of the dashboard will be listed here."""

from django.urls import URLPattern

websocket_urlpatterns: list[URLPattern] = []
