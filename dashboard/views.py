"""Pages of no single app, and what all of them share."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from bookbag.api.errors import InsufficientPermissions, error_response
from dashboard import theme
from dashboard.checklist import checklist
from dashboard.examples import chat_command
from dashboard.keys.api import wants_json
from knowledge import embedding
from workspaces.access import SESSION_KEY, WorkspaceRequest, member_required
from workspaces.models import Member, Role


@member_required()
@require_GET
def home(request: WorkspaceRequest) -> HttpResponse:
    context = {**_progress(request), "embedding": embedding.status()}
    return render(request, "dashboard/home.html", context)


@member_required()
@require_GET
def progress(request: WorkspaceRequest) -> HttpResponse:
    """The checklist alone, for the home page that asks whether it has changed."""
    context = _progress(request)
    if request.GET.get("state") == context["list"].state:
        return HttpResponse(status=204)
    return render(request, "dashboard/_checklist.html", context)


@member_required()
@require_POST
def choose_theme(request: WorkspaceRequest) -> HttpResponse:
    response = HttpResponseRedirect(_back(request))
    theme.remember(response, request.POST.get("theme", ""))
    return response


@member_required()
@require_POST
def switch_workspace(request: WorkspaceRequest) -> HttpResponse:
    chosen = request.POST.get("workspace", "")
    mine = Member.objects.filter(user=request.user)
    by_id = {str(number): number for number in mine.values_list("workspace", flat=True)}
    if chosen not in by_id:
        raise Http404("There is no such workspace.")
    request.session[SESSION_KEY] = by_id[chosen]
    return redirect("home")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For settings.CSRF_FAILURE_VIEW."""
    message = "This form is no longer valid. Reload the page and send it again."
    if wants_json(request):
        return error_response(InsufficientPermissions(message))
    return render(request, "403.html", {"exception": message}, status=403)


def _progress(request: WorkspaceRequest) -> dict[str, object]:
    found = checklist(request.workspace)
    return {
        "list": found,
        "command": chat_command(found.agent) if found.agent else "",
        "base_url": settings.BASE_URL,
        "may_mint": request.member.may(Role.ADMIN),
    }


def _back(request: HttpRequest) -> str:
    """Where the form was, if that is one of our own pages."""
    there = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(there, allowed_hosts=None)
    return there if ours else "/"
