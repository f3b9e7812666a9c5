"""Leads over HTTP: left by anybody, read and exported by who has a key or a session."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import structlog
from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils import timezone
from django_ratelimit.core import get_usage
from rest_framework.response import Response

from agents import sites
from agents.access import chatbot_for
from agents.models import Agent
from apikeys.limits import Decision
from apikeys.models import ApiKey
from apikeys.revocation import revocations
from apikeys.throttling import address_bucket, client_address, refusal
from bookbag import threads
from bookbag.api import query
from bookbag.api.clothes import SuccessErrors
from bookbag.api.errors import (
    AnswerBroken,
    ConversationNotFound,
    InvalidBody,
)
from bookbag.api.negotiation import AnyNegotiation
from bookbag.api.parsers import ApiRequest
from bookbag.api.times import iso, milliseconds
from bookbag.api.views import ApiView
from contacts import leads, sheets, visitors
from contacts.api import leads_schema
from contacts.api.leads_body import LeadBody
from contacts.models import Lead
from usage.export_lease import Lease
from usage.models import AuditEvent

log = structlog.get_logger(__name__)

# Where no agent has leads any more; databases count to 2^63.
MAX_OFFSET = 10**15
# Seconds for a page and its wait for a thread: nobody else would end an answer that
# does not go on.
PAGE_DEADLINE = 60


class LeadsView(SuccessErrors, ApiView):
    """`request.auth` is an ApiKey, or a Member who reads; or nobody, who leaves
    details."""

    def perform_authentication(self, request: ApiRequest) -> None:
        # A form has no key; but one that is sent must be good.
        if request.method == "POST" and "authorization" not in request.headers:
            self._no_key(request)
        else:
            super().perform_authentication(request)

    @leads_schema.create
    def post(self, request: ApiRequest, agent_id: str) -> Response:
        if request.auth is None:
            origin = request.headers.get("Origin")
            agent = sites.public_agent(agent_id, origin)
            _check_rate(request, agent)
        else:
            agent = chatbot_for(request.auth, agent_id, to_write=True)
        body = LeadBody(data=request.data)
        is_valid = body.is_valid()
        conversation_id = _conversation_of(request, agent, body)
        if not is_valid:
            raise InvalidBody(body.errors)
        lead = leads.capture(
            agent, conversation_id=conversation_id, **body.validated_data
        )
        return Response({"success": True, "lead": lead_json(lead)})

    @leads_schema.leads
    def get(self, request: ApiRequest, agent_id: str) -> Response:
        agent = chatbot_for(request.auth, agent_id)
        number, size = _page(request)
        found = _newest(agent, number, size, one_more=True)
        pagination = {"page": number, "size": size, "hasMore": len(found) > size}
        return Response(
            {
                "success": True,
                "leads": [lead_json(lead) for lead in found[:size]],
                "pagination": pagination,
            }
        )


class LeadsExportView(SuccessErrors, ApiView):
    """All leads of an agent as a table, written as it is read."""

    content_negotiation_class = AnyNegotiation  # a table, whatever is accepted
    agent: Agent
    key_id: int | None
    lease: Lease

    @leads_schema.export
    async def get(self, request: ApiRequest, agent_id: str) -> StreamingHttpResponse:
        name = f"leads-{self.agent.pk}-{timezone.now():%Y-%m-%d}.csv"
        return StreamingHttpResponse(
            self._table(sheets.pages(self.agent)),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Accel-Buffering": "no",
            },
        )

    def read(self, request: ApiRequest, agent_id: str) -> None:
        self.agent = agent = chatbot_for(request.auth, agent_id)
        is_key = isinstance(request.auth, ApiKey)
        self.key_id = request.auth.pk if is_key else None
        self.lease = Lease.take(agent.workspace_id)
        try:
            AuditEvent.objects.create(
                workspace_id=agent.workspace_id,
                actor=request.user,  # None for a key
                action="leads.exported",
                target=f"agent:{agent.pk}",
                detail={"api_key": self.key_id} if is_key else {},
            )
        except BaseException:
            self.lease.release()
            raise

    async def _table(self, pages: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Each page is a visit to a database thread. One that fails closes the
        connection: the answer must not look like a whole one."""

        def turn() -> bytes | None:
            self.lease.renew()
            return next(pages, None)

        try:
            async with revocations.watch(self.key_id) as revoked:
                while True:
                    async with asyncio.timeout(PAGE_DEADLINE):
                        page = await threads.run(turn)
                    if page is None:
                        return
                    if revoked.is_set():
                        raise AnswerBroken  # a table has no word for a revoked key
                    if page:
                        yield page
        finally:
            await threads.run(self.lease.release)


class GetLeadsView(ApiView):
    """An agent's leads, as Chatbase's clients know them."""

    @leads_schema.get_leads
    def get(self, request: ApiRequest) -> Response:
        chatbot_id = query.parameter(request, "chatbotId")
        if chatbot_id is None:
            raise InvalidBody({"chatbotId": "This field is required."})
        self.agent = chatbot_for(request.auth, chatbot_id)
        number, size = _page(request)
        found = _newest(self.agent, number, size, **query.created_on(request))
        return Response({"collectedCustomers": [chatbase_json(lead) for lead in found]})


def lead_json(lead: Lead) -> dict[str, Any]:
    return {
        "id": str(lead.pk),
        "agentId": lead.agent_id,
        "conversationId": lead.conversation_id and str(lead.conversation_id),
        "name": lead.name,
        "email": lead.email,
        "phone": lead.phone,
        "fields": lead.fields,
        "createdAt": milliseconds(lead.created_at),
    }


def chatbase_json(lead: Lead) -> dict[str, Any]:
    return {
        "id": str(lead.pk),
        "name": lead.name,
        "email": lead.email,
        "phone": lead.phone,
        "created_at": iso(lead.created_at),
        "chatbot_id": str(lead.agent_id),
        "account_id": str(lead.workspace_id),
    }


def _check_rate(request: ApiRequest, agent: Agent) -> None:
    """TooManyRequests, where an address has left many leads with this agent."""
    used = get_usage(
        request._request,
        group=f"leads:{agent.pk}:",
        key=lambda _, request: address_bucket(client_address(request)),
        rate=settings.LEADS_RATE,
        increment=True,
    )
    if used and used["should_limit"]:
        wait = used["time_left"]
        raise refusal(
            request,
            Decision(
                allowed=False,
                limit=used["limit"],
                remaining=0,
                reset_at=int(time.time()) + wait,
                retry_after=wait,
            ),
        )


def _conversation_of(request: ApiRequest, agent: Agent, body: LeadBody) -> int | None:
    """The conversation that is named. NotFound, where it is not the agent's, or for who
    has neither key nor token."""
    named = request.data.get("conversationId")
    if named is None or "conversationId" in body.errors:
        return None
    conversation_id = int(named)
    if request.auth is None:
        token = request.headers.get("X-Visitor-Token")
        token = token or request.data.get("visitorToken")
        if not visitors.holds(token, conversation_id):
            raise ConversationNotFound
    if not agent.conversations.filter(pk=conversation_id).exists():
        raise ConversationNotFound
    return conversation_id


def _page(request: ApiRequest) -> tuple[int, int]:
    size = query.counting(
        request,
        "size",
        default=leads_schema.DEFAULT_SIZE,
        most=leads_schema.MAX_SIZE,
    )
    return query.counting(request, "page", default=1), size


def _newest(
    agent: Agent, number: int, size: int, *, one_more: bool = False, **filters: Any
) -> list[Lead]:
    """A page of the agent's leads; on demand with the one that comes after it."""
    offset = (number - 1) * size
    if offset > MAX_OFFSET:
        return []
    order = ("-created_at", "-pk")
    # A deep page is found in the index alone; only then are its rows read.
    wanted = Lead.objects.filter(agent=agent, **filters).order_by(*order)
    wanted = wanted[offset : offset + size + one_more]
    found = Lead.objects.for_workspace(agent.workspace_id)
    return list(found.filter(pk__in=wanted.values("pk")).order_by(*order))
