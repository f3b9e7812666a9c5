"""The API reference, for programs and for people."""

import functools

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bookbag.api.parsers import ApiRequest
from bookbag.api.renderers import to_json
from bookbag.api.schema import document
from bookbag.api.views import PublicApiView
from bookbag.middleware import content_security_policy


class SchemaView(PublicApiView):
    schema = None  # it does not describe itself
    describes = "v2"

    def get(self, request: ApiRequest) -> HttpResponse:
        return HttpResponse(
            _document_as_json(self.describes),
            content_type="application/json",
            headers={"Cache-Control": "no-cache"},
        )


class DocsView(PublicApiView):
    """Swagger UI, from our own static files."""

    schema = None
    describes = "v2"

    def get(self, request: ApiRequest) -> HttpResponse:
        page: HttpRequest = request._request
        response = render(page, "api/docs.html", {"version": self.describes})
        # API requests pass fewer middlewares than pages do.
        response.headers["Content-Security-Policy"] = content_security_policy(page.path)
        response.headers["X-Frame-Options"] = "DENY"
        return response


@functools.cache
def _document_as_json(version: str) -> bytes:
    return to_json(document(version))
