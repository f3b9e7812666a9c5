"""The page /apikeys: for admins and owners. A secret is shown once and never kept."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from agents.models import Agent
from apikeys.models import ApiKey, NotRotatable, TooManyKeys
from dashboard.examples import chat_command
from dashboard.keys import api, minting
from dashboard.keys.forms import KeyForm, RotateForm
from dashboard.keys.status import status_of
from workspaces.access import WorkspaceRequest, member_required
from workspaces.models import Role, Workspace

MAX_DEAD = 100  # revoked and expired keys that the list still shows


@api.json_errors
@member_required(Role.ADMIN)
def keys(request: WorkspaceRequest) -> HttpResponse:
    """The list, and where a key is created."""
    if request.method == "POST":
        create = api.create_key if api.wants_json(request) else _create
        return create(request)
    if request.method not in ("GET", "HEAD"):
        return api.not_allowed("GET", "POST")
    rows = _rows(request.workspace)
    if api.wants_json(request):
        return api.list_keys(rows)
    now = timezone.now()
    listed = [(key, status_of(key, now=now)) for key in rows]
    return render(request, "dashboard/keys/keys.html", {"keys": listed})


@api.json_errors
@member_required(Role.ADMIN)
def key(request: WorkspaceRequest, key_id: int) -> HttpResponse:
    found = _key(request, key_id)
    if request.method != "DELETE":
        return api.not_allowed("DELETE")
    return api.revoke_key(request, found)


@member_required(Role.ADMIN)
@require_GET
def new_key(request: WorkspaceRequest) -> HttpResponse:
    form = KeyForm(workspace=request.workspace)
    return _panel(request, "new", {"form": form})


@member_required(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def revoke_key(request: WorkspaceRequest, key_id: int) -> HttpResponse:
    found = _key(request, key_id)
    if request.method == "GET":
        return _panel(request, "revoke", {"key": found})
    minting.revoke(found, by=request.user)
    messages.success(request, f"Revoked “{found.label}”. It opens nothing any more.")
    return _to_list(request)


@member_required(Role.ADMIN)
@require_http_methods(["GET", "POST"])
@sensitive_variables("secret")
def rotate_key(request: WorkspaceRequest, key_id: int) -> HttpResponse:
    old = _key(request, key_id)
    if not old.is_live:
        messages.error(request, f"“{old.label}” is not in use. Create a new key.")
        return _to_list(request)
    form = RotateForm(request.POST or None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return _panel(request, "rotate", {"key": old, "form": form}, status=status)
    try:
        new, secret = minting.rotate(
            old, grace=form.cleaned_data["grace"], by=request.user
        )
    except (NotRotatable, TooManyKeys) as error:
        form.add_error(None, str(error))
        return _panel(request, "rotate", {"key": old, "form": form}, status=422)
    return _show_once(request, new, secret)


@sensitive_variables("secret")
def _create(request: WorkspaceRequest) -> HttpResponse:
    form = KeyForm(request.POST, workspace=request.workspace)
    here = str(request.workspace.pk)
    if request.POST.get("workspace", here) != here:
        # The form was opened before they went to another workspace, in another tab.
        form.add_error(
            None,
            f"You are in “{request.workspace}” now. Send this again to make the key"
            " there, or switch back first.",
        )
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            new, secret = minting.mint(
                request.workspace,
                by=request.user,
                label=chosen["label"],
                agent=chosen["agent"],
                environment=chosen["environment"],
                access=chosen["access"],
                expires_at=form.expires_at,
            )
        except TooManyKeys as error:
            form.add_error(None, str(error))
        else:
            return _show_once(request, new, secret)
    return _panel(request, "new", {"form": form}, status=422)


@sensitive_variables("secret")
def _show_once(request: WorkspaceRequest, key: ApiKey, secret: str) -> HttpResponse:
    agents = Agent.objects.for_workspace(request.workspace).existing()
    agent = key.agent or agents.order_by("id").first()
    command = chat_command(agent) if agent else ""
    context = {"key": key, "secret": secret, "command": command}
    response = _panel(request, "created", context)
    response["Cache-Control"] = "no-store"
    return response


def _panel(
    request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """What stands in the dialog; without scripts the same is a page of its own."""
    context["panel"] = f"dashboard/keys/_{name}.html"
    in_dialog = request.headers.get("HX-Request") == "true"
    template = context["panel"] if in_dialog else "dashboard/keys/panel.html"
    response = render(request, template, context, status=status)
    response["Vary"] = "HX-Request"
    return response


def _to_list(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(headers={"HX-Redirect": "/apikeys"})
    return redirect("api_keys")


def _rows(workspace: Workspace) -> list[ApiKey]:
    """The live keys, then the last of those that no longer open anything."""
    every = ApiKey.objects.for_workspace(workspace).select_related(
        "agent", "created_by"
    )
    live = list(every.live())
    dead = every.exclude(pk__in=[key.pk for key in live])[:MAX_DEAD]
    return [*live, *dead]


def _key(request: WorkspaceRequest, key_id: int) -> ApiKey:
    keys = ApiKey.objects.for_workspace(request.workspace)
    found = keys.select_related("agent", "created_by").filter(pk=key_id).first()
    if found is None:
        raise Http404("There is no such key.")
    return found
