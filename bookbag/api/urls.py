"""What stands under /api/ for every app. Include it last: it ends with a catch-all."""

from django.urls import path, re_path

from bookbag.api.docs import DocsView, SchemaView
from bookbag.api.views import UnknownPathView

urlpatterns = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="api_docs"),
    path("v1/schema/", SchemaView.as_view(describes="v1"), name="v1_schema"),
    path("v1/docs/", DocsView.as_view(describes="v1"), name="v1_docs"),
    # Not Django's own 404: unknown paths are limited and enveloped like known ones.
    re_path(r"", UnknownPathView.as_view(), name="api_unknown"),
]
