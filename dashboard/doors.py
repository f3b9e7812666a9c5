"""Paths with two ways in: for programs with a key, and for people with a session.

    a Bearer header           the API's answer, as under /api/v1/; no cookie counts
    a session, and JSON       the same answer, for the workspace that they look at
    a session, and a browser  a page
    neither                   the sign-in page, or 401 for who asks for JSON

A session only ever reads here: whatever is not GET is the API's, with a key or, where
an endpoint is public, without one. So nothing here needs a CSRF token.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework.permissions import SAFE_METHODS

from bookbag.api.clothes import success_flag, wear
from bookbag.api.errors import error_response, of_status
from bookbag.api.views import ApiView
from contacts.api import leads
from conversations.api import v1_reading
from dashboard.conversations import views as conversation_pages
from dashboard.leads import views as lead_pages
from workspaces.authentication import MemberAuthentication
from workspaces.models import Role

Page = Callable[..., HttpResponse]
Response = TypeVar("Response", bound=HttpResponseBase)
Door = Callable[..., Coroutine[Any, Any, HttpResponseBase]]
PREFIXES = ("/agents/", "/conversations/")
for prefix in PREFIXES:
    # What is refused before anybody comes to a door is said in the same words.
    wear(prefix, success_flag)
# Among several headers, which arrive as one, a Bearer's is enough.
_BEARER = re.compile(r"(?:\A|,)\s*bearer(?:\s|,|\Z)", re.IGNORECASE)


def door(view: type[ApiView], page: Page | None = None) -> Door:
    """Without a page of its own, a browser is given what the API answers."""
    for_programs = view.as_view()
    for_members = view.as_view(authentication_classes=[MemberAuthentication])

    @csrf_exempt
    async def enter(request: HttpRequest, **ids: str) -> HttpResponseBase:
        if has_key(request) or request.method not in SAFE_METHODS:
            return private(await for_programs(request, **ids))
        if not wants_page(request):
            return private(await for_members(request, **ids))
        if page is None:
            answer = await for_members(request, **ids)
            return private(_for_browser(request, answer))
        # Where Django itself would call it.
        show = sync_to_async(page, thread_sensitive=True)
        return private(await show(request, **ids))

    # A page asks itself; who has a session is a member of some role for all else.
    enter.needs_role = Role.VIEWER  # type: ignore[attr-defined]
    return enter


def has_key(request: HttpRequest) -> bool:
    """Whether it tries to open with one; the API says whether that is any good."""
    return bool(_BEARER.search(request.META.get("HTTP_AUTHORIZATION", "")))


def wants_page(request: HttpRequest) -> bool:
    """`*/*` is what a browser and curl say alike; both are shown the page."""
    if request.content_type == "application/json":
        return False
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "text/html"


def private(response: Response) -> Response:
    """What is one caller's must not be kept for another, nor one form for another."""
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Accept", "Authorization", "Cookie"])
    return response


def _for_browser(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """A refusal as a page, where there is one for it."""
    match answer.status_code:
        case 401:
            return redirect_to_login(request.get_full_path())
        case 403:
            raise PermissionDenied("You are not a member of a workspace.")
        case 404:
            raise Http404
    return answer


agent_conversations = door(
    v1_reading.AgentConversationsView, conversation_pages.conversations
)
conversation = door(v1_reading.ConversationView, conversation_pages.conversation)
agent_leads = door(leads.LeadsView, lead_pages.leads)
agent_leads_export = door(leads.LeadsExportView)


# --- Errors that no view has seen to ------------------------------------------------


# For bookbag.urls: Django's own pages, but on these paths they are said to programs as
# well, in words that those understand.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _said(request, 400, lambda: defaults.bad_request(request, exception))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _said(request, 403, lambda: defaults.permission_denied(request, exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _said(request, 404, lambda: defaults.page_not_found(request, exception))


def failed(request: HttpRequest) -> HttpResponse:
    return _said(request, 500, lambda: defaults.server_error(request))


def _said(
    request: HttpRequest, status: int, page: Callable[[], HttpResponse]
) -> HttpResponse:
    if not request.path_info.startswith(PREFIXES):
        return page()
    if not has_key(request) and wants_page(request):
        return private(page())
    error = of_status(status)
    return private(error_response(error, success_flag(error)))
