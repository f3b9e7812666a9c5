"""`/v1`: agents for OpenAI's clients. Each agent is a model, `agent-<id>`."""

import time
from dataclasses import replace
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path, re_path
from rest_framework.response import Response

from agents.access import agent_for, agents_for
from agents.actions import tools_for
from agents.engine import base
from agents.models import Agent
from apikeys.models import ApiKey
from apikeys.permissions import check_may_write
from bookbag import threads
from bookbag.api.clothes import wear
from bookbag.api.errors import InvalidBody, NotFound
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView, UnknownPathView
from conversations.api import openai_schema as schema
from conversations.api.chat import Encoder, ReplyView
from conversations.asks import Ask
from conversations.events import Event, Finished
from conversations.models import Message
from conversations.openai import bodies
from conversations.openai.completions import Chunks, Completion
from conversations.openai.errors import error_json
from conversations.openai.model import ModelNotFound, agent_id, model_json, model_name
from conversations.resume import Replay
from conversations.runs import Run
from conversations.turns import NothingToAnswer

wear("/v1/", error_json)


class CompletionView(ReplyView):
    """The posted conversation goes in, a reply comes out."""

    agent: Agent
    posted: bodies.Posted
    names: Completion

    @schema.completion
    async def post(self, request: ApiRequest) -> HttpResponseBase:
        return await self.reply(request)

    def read(self, request: ApiRequest) -> None:
        self.agent = agent = _agent(request.auth, request.data.get("model"))
        check_may_write(request.auth)
        self.posted = posted = bodies.read(request.data)
        self.is_streamed = posted.stream
        self.ask = Ask(
            agent=agent,
            text=posted.text,
            external_id=posted.conversation,
            end_user=posted.end_user,
            api_key=request.auth,
            results=posted.results,
            history=posted.turns,
            tools=_tools(agent, posted.tools),
            keep=posted.conversation is not None,
            temperature=posted.temperature,
        )

    async def reply(self, request: ApiRequest) -> HttpResponseBase:
        try:
            return await super().reply(request)
        except InvalidBody as refusal:
            if not isinstance(refusal.__cause__, NothingToAnswer):
                raise
            # Results that the kept conversation does not wait for: they are another's
            # or come a second time. The posted one has a question all the same.
            self.ask = replace(self.ask, text=self.posted.question)
            return await super().reply(request)

    async def answer(self, run: Run | Replay, request: ApiRequest) -> HttpResponseBase:
        self.names = await _names(run, request, self.agent)
        return await super().answer(run, request)

    def encoder(self) -> Encoder:
        return Chunks(self.names, include_usage=self.posted.include_usage)

    def in_one_piece(self, end: Finished, events: list[Event]) -> Response:
        return Response(self.names.whole(end, events))


class ModelsView(ApiView):
    @schema.models
    def get(self, request: ApiRequest) -> Response:
        models = [_model(agent) for agent in agents_for(request.auth).order_by("id")]
        return Response({"object": "list", "data": models})


class ModelView(ApiView):
    agent: Agent

    @schema.model
    def get(self, request: ApiRequest, model: str) -> Response:
        self.agent = _agent(request.auth, model)
        return Response(_model(self.agent))


class UnknownView(UnknownPathView):
    pass


def _agent(key: ApiKey, model: object) -> Agent:
    try:
        return agent_for(key, agent_id(model))
    except NotFound:
        raise ModelNotFound from None


def _model(agent: Agent) -> dict[str, Any]:
    return model_json(agent.pk, created=int(agent.created_at.timestamp()))


def _tools(
    agent: Agent, posted: tuple[base.ToolSpec, ...] | None
) -> tuple[base.ToolSpec, ...]:
    """The agent's own, which its owner has described, and the caller's beside them."""
    if posted is None:
        return ()
    own = tools_for(agent.workspace_id, agent.pk)
    taken = {tool.name for tool in own}
    return (*own, *(tool for tool in posted if tool.name not in taken))


async def _names(run: Run | Replay, request: ApiRequest, agent: Agent) -> Completion:
    """A kept reply has the same names whenever it is told."""
    model = model_name(agent.pk)
    message_id = run.ids.message
    if message_id is None:
        request_id = request._request.id.removeprefix("req_")
        return Completion(f"chatcmpl-{request_id}", int(time.time()), model)
    created = await threads.run(_begun_at, message_id)
    return Completion(f"chatcmpl-msg_{message_id}", created, model)


def _begun_at(message_id: int) -> int:
    begun = Message.objects.values_list("created_at", flat=True).get(pk=message_id)
    return int(begun.timestamp())


urlpatterns = [
    # /v1/
    path("models", ModelsView.as_view(), name="openai_models"),
    path("models/<model>", ModelView.as_view(), name="openai_model"),
    path("chat/completions", CompletionView.as_view(), name="openai_completion"),
    re_path(r"", UnknownView.as_view(), name="openai_unknown"),
]
