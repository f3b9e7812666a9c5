"""The pages /agents/<id>/conversations and /conversations/<id>: for every member."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id
from contacts.models import Lead
from conversations.access import conversations_for
from conversations.models import Channel, Conversation, Feedback
from dashboard import agents
from dashboard.conversations.handling import handling_of
from dashboard.conversations.inbox import RATINGS, STATUSES, Filters, lines
from dashboard.conversations.transcript import transcript
from dashboard.examples import chat_command
from dashboard.paging import Position
from workspaces.access import WorkspaceRequest, member_required

MOST_LEADS = 5  # beside a conversation


@member_required()
@require_safe
def any_conversations(request: WorkspaceRequest) -> HttpResponse:
    """The first agent's."""
    return agents.to_first(request, "agent_conversations", title="Conversations")


@member_required()
@require_safe
def conversations(request: WorkspaceRequest, agent_id: str) -> HttpResponse:
    """An agent's conversations, the newest activity first."""
    agent = agents.agent_or_404(request, agent_id)
    filters = Filters.of(request.GET)
    after = Position.read(request.GET.get("before", ""))
    found, older = lines(agent, filters, after=after)
    is_empty = not (found or filters.given or after)
    response = render(
        request,
        "dashboard/conversations/conversations.html",
        {
            "agent": agent,
            "agents": agents.choices(request.workspace),
            "filters": filters,
            "lines": found,
            "newest": filters.query() if after else None,
            "older": filters.query(older) if older else "",
            "choices": {
                "status": [(word, label) for word, (_, label) in STATUSES.items()],
                "source": Channel.choices,
                "feedback": [(one.value, RATINGS[one]) for one in Feedback],
            },
            "command": chat_command(agent) if is_empty else "",
        },
    )
    if _is_of_form(request):
        # The address without what the form has left empty.
        response["HX-Push-Url"] = request.path + filters.query(after)
    return response


@member_required()
@require_safe
def conversation(request: WorkspaceRequest, conversation_id: str) -> HttpResponse:
    """What was said in one of them, and what is known of it."""
    found = _conversation(request, str(conversation_id))
    visitor = str(found.contact or found.end_user or "Visitor")
    before = _id(request.GET.get("before", ""))
    entries, earlier = transcript(found, visitor=visitor, before=before)
    leads = Lead.objects.for_workspace(request.workspace).filter(conversation=found)
    return render(
        request,
        "dashboard/conversations/conversation.html",
        {
            "conversation": found,
            "agent": found.agent,
            "handling": handling_of([found])[found.pk],
            "visitor": visitor,
            "entries": entries,
            "earlier": earlier,
            "is_newest": before is None,
            "leads": leads.order_by("-pk")[:MOST_LEADS],
            "of_user": Filters(user=found.end_user or "").query(),
        },
    )


def _is_of_form(request: HttpRequest) -> bool:
    """The form asks by htmx, which also asks when one goes back: nothing is new then,
    and what was pushed would be gone to again and again."""
    headers = request.headers
    return "HX-Request" in headers and "HX-History-Restore-Request" not in headers


def _conversation(request: WorkspaceRequest, conversation_id: str) -> Conversation:
    found = conversations_for(request.member).filter(pk=_id(conversation_id))
    conversation = found.select_related("agent", "contact", "api_key").first()
    if conversation is None:
        raise Http404("There is no such conversation.")
    return conversation


def _id(text: str) -> int | None:
    """The id that a part of an address is; None where it is none."""
    try:
        return parse_path_id(text)
    except NotFound:
        return None
