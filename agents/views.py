"""The pictures of agents, for whoever has their address: widgets show them on pages of
other sites."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from agents import pictures

# The name is never used again, so what it names never changes.
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    found = pictures.find(name)
    if found is None:
        raise Http404
    return HttpResponse(found.content, content_type=found.media_type, headers=HEADERS)
