"""Agents as Chatbase's clients know them: made, listed, changed and archived."""

from collections.abc import Mapping
from typing import Any, cast

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response

from agents import pictures, widgets
from agents.access import AgentNotFound, agents_for, chatbot_for
from agents.api import chatbots_bodies as bodies
from agents.api import chatbots_schema as schema
from agents.models import Agent, AgentStatus
from apikeys.models import ApiKey
from apikeys.permissions import check_may_write
from bookbag.api import query
from bookbag.api.errors import InsufficientPermissions, InvalidBody
from bookbag.api.parsers import ApiRequest, FormParser, read_body
from bookbag.api.times import iso
from bookbag.api.views import ApiView
from bookbag.outbound import OutboundRefused
from knowledge import sources
from knowledge.models import Source, SourceStatus

TEXT = "Text"  # the title of the source that `sourceText` is

# Where Chatbase's settings are kept.
OF_THE_AGENT = {
    "name": "name",
    "instructions": "instructions",
    "visibility": "status",
    "model": "model",
    "temp": "temperature",
}
OF_THE_WIDGET = {
    "initialMessages": "initial_messages",
    "suggestedMessages": "suggested_messages",
    "domains": "domains",
    "onlyAllowOnAddedDomains": "only_allowed_domains",
    "ipLimit": "ip_limit",
    "ipLimitTimeframe": "ip_limit_timeframe",
    "ipLimitMessage": "ip_limit_message",
    "styles": "styles",
    "collectCustomerInformation": "lead_form",
}


class CreateChatbotView(ApiView):
    @schema.create
    def post(self, request: ApiRequest) -> Response:
        key: ApiKey = request.auth
        check_may_write(key)
        if key.agent_id is not None:
            raise InsufficientPermissions(
                "This API key belongs to one agent. Use a key of the whole workspace."
            )
        body = bodies.NewChatbot(data=request.data)
        body.is_valid(raise_exception=True)
        self.agent = _create(key, body.validated_data)
        return Response({"chatbotId": str(self.agent.pk)})


class ChatbotsView(ApiView):
    @schema.chatbots
    def get(self, request: ApiRequest) -> Response:
        theirs = Source.objects.filter(agent=OuterRef("pk"))
        agents = agents_for(request.auth).annotate(
            is_learning=Exists(
                theirs.exclude(status__in=[SourceStatus.READY, SourceStatus.FAILED])
            ),
            has_failed=Exists(theirs.filter(status=SourceStatus.FAILED)),
        )
        return Response({"chatbots": [_json(a) for a in agents.order_by("id")]})


class ChatbotDataView(ApiView):
    @schema.data
    def post(self, request: ApiRequest) -> Response:
        agent, body = _asked(self, request, bodies.ChatbotData)
        with transaction.atomic():
            # The source first: whoever indexes locks it before the agent.
            if (text := body.get("sourceText")) is not None:
                sources.replace_text(agent, title=TEXT, text=text)
            _save(agent, {"name": body["chatbotName"]})
        return Response({"chatbotId": str(agent.pk)})


class ChatbotSettingsView(ApiView):
    @schema.settings
    def post(self, request: ApiRequest) -> Response:
        agent, body = _asked(self, request, bodies.ChatbotSettings)
        if "chatbotName" in body:
            body.setdefault("name", body["chatbotName"])
        if body.get("visibility"):
            body["visibility"] = bodies.VISIBILITY[body["visibility"]]
        with transaction.atomic():
            if of_the_widget := _renamed(body, OF_THE_WIDGET):
                widgets.change(agent, of_the_widget)
            _save(agent, _renamed(body, OF_THE_AGENT))
        return Response({"message": "Your changes are saved."}, status=202)


class DeleteChatbotView(ApiView):
    @schema.delete
    def delete(self, request: ApiRequest) -> Response:
        _save(_named(self, request), {"status": AgentStatus.ARCHIVED})
        return Response({"message": "Deleted successfully"})


class UploadView(ApiView):
    """A picture comes."""

    parser_classes = [FormParser]
    body: type[serializers.Serializer]
    field: str
    kind: pictures.Kind
    done: str

    def post(self, request: ApiRequest) -> Response:
        agent, body = _asked(self, request, self.body)
        pictures.give(agent, self.kind, body[self.field])
        return Response({"message": self.done})


class UploadIconView(UploadView):
    body = bodies.Icon
    field = "chatbotIconFile"
    kind = "icon"
    done = "Chatbot chat icon uploaded successfully."

    @schema.upload_icon
    def post(self, request: ApiRequest) -> Response:
        return super().post(request)


class UploadProfilePictureView(UploadView):
    body = bodies.ProfilePicture
    field = "profilePictureFile"
    kind = "profile_picture"
    done = "Chatbot Profile Picture uploaded successfully."

    @schema.upload_profile_picture
    def post(self, request: ApiRequest) -> Response:
        return super().post(request)


class DeleteIconView(ApiView):
    @schema.delete_icon
    def delete(self, request: ApiRequest) -> Response:
        pictures.take_away(_named(self, request), "icon")
        return Response({"message": "Chatbot icon deleted successfully."})


class DeleteProfilePictureView(ApiView):
    @schema.delete_profile_picture
    def delete(self, request: ApiRequest) -> Response:
        pictures.take_away(_named(self, request), "profile_picture")
        return Response({"message": "Chatbot Profile Picture deleted successfully."})


# --- What is asked for ----------------------------------------------------------------


def _asked(
    view: ApiView, request: ApiRequest, body: type[serializers.Serializer]
) -> tuple[Agent, dict[str, Any]]:
    """The agent that a body names, to be changed, and what else is in it. First it is
    looked whether the agent is there, then whether the rest is right."""
    whose = bodies.ChatbotReference(data=request.data)
    whose.is_valid(raise_exception=True)
    agent = _chatbot(view, request, whose.validated_data["chatbotId"])
    form = body(data=request.data)
    form.is_valid(raise_exception=True)
    return agent, form.validated_data


def _named(view: ApiView, request: ApiRequest) -> Agent:
    """The agent that the query names, to be changed; or a body, where a client sends
    one instead."""
    name = query.parameter(request, "chatbotId")
    if not name:
        if not read_body(cast(HttpRequest, request._request)):
            raise InvalidBody({"chatbotId": "This field is required."})
        whose = bodies.ChatbotReference(data=request.data)
        whose.is_valid(raise_exception=True)
        name = whose.validated_data["chatbotId"]
    return _chatbot(view, request, name)


def _chatbot(view: ApiView, request: ApiRequest, name: str) -> Agent:
    agent = chatbot_for(request.auth, name, to_write=True)
    view.agent = agent  # the request counts as its
    return agent


# --- What is done ---------------------------------------------------------------------


@transaction.atomic
def _create(key: ApiKey, body: Mapping[str, Any]) -> Agent:
    agent = Agent.objects.create(
        workspace_id=key.workspace_id, name=body["chatbotName"]
    )
    if text := body.get("sourceText"):
        sources.add_text(agent, title=TEXT, text=text)
    refused = {}
    for number, url in enumerate(body.get("urlsToScrape") or ()):
        try:
            sources.add_url(agent, url)
        except OutboundRefused as reason:
            refused[f"urlsToScrape.{number}"] = str(reason)
    if refused:
        raise InvalidBody(refused)
    return agent


def _save(agent: Agent, values: Mapping[str, Any]) -> None:
    """Only these fields: others may have been changed since the agent was read, which
    may even be archived by now. None is the default again. AgentNotFound."""
    values = {
        name: getattr(Agent(), name) if value is None else value
        for name, value in values.items()
    }
    agents = Agent.objects.for_workspace(agent.workspace_id).existing()
    if not agents.filter(pk=agent.pk).update(**values, updated_at=timezone.now()):
        raise AgentNotFound


def _renamed(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: body[theirs] for theirs, ours in names.items() if theirs in body}


# --- What is answered -----------------------------------------------------------------


def _json(agent: Any) -> dict[str, Any]:
    return {
        "id": str(agent.pk),
        "chatbotId": str(agent.pk),
        "name": agent.name,
        "chatbotName": agent.name,
        "status": _status(agent),
        "model": agent.model,
        "instructions": agent.instructions,
        "visibility": "public" if agent.status == AgentStatus.ACTIVE else "private",
        "created_at": iso(agent.created_at),
        "updated_at": iso(agent.updated_at),
    }


def _status(agent: Any) -> str:
    if agent.is_learning:
        return "training"
    return "failed" if agent.has_failed else "ready"
