"""API v1: routes."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
