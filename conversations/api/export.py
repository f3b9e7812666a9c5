"""An agent's conversations, all of them, in one long answer."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import structlog
from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from agents.access import agent_for
from apikeys.revocation import revocations
from bookbag import threads
from bookbag.api.negotiation import JSONNegotiation, liking
from bookbag.api.parsers import ApiRequest
from bookbag.api.renderers import JSONRenderer
from bookbag.api.views import ApiView
from conversations import export
from conversations.api import export_schema
from conversations.api.chat import EventStream
from conversations.export import Page, Snapshot
from usage.export_lease import Lease
from usage.models import AuditEvent

log = structlog.get_logger(__name__)

# Seconds for a page and its wait for a thread. A database that has frozen ignores its
# own time-outs, and nobody else would end an answer that does not go on.
PAGE_DEADLINE = 60
CHUNK = 64 * 1024  # bytes between two looks at whether the key still holds
JSON = "application/json"
NDJSON = "application/x-ndjson"


class ExportBroken(Exception):
    """The answer must not look like a whole one: the connection is closed on it."""


class NDJSONRenderer(BaseRenderer):
    media_type = NDJSON
    format = "ndjson"


class ExportNegotiation(JSONNegotiation):
    """JSON, or NDJSON for who names it and does not like JSON as much."""

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        accept = request.META.get("HTTP_ACCEPT", "")
        wanted = liking(accept, NDJSON)
        if wanted[0] and wanted > liking(accept, JSON):
            return renderers[1], NDJSON
        return super().select_renderer(request, renderers[:1], format_suffix)


class ExportView(ApiView):
    """Every conversation with every message, written as it is read."""

    content_negotiation_class = ExportNegotiation
    renderer_classes = [JSONRenderer, NDJSONRenderer]
    snapshot: Snapshot
    lease: Lease

    @export_schema.export
    async def get(self, request: ApiRequest, agent_id: str) -> StreamingHttpResponse:
        ndjson = request.accepted_media_type == NDJSON
        pages = export.pages(self.snapshot, lines=ndjson)
        write = _lines if ndjson else _document
        return EventStream(
            write(self._read_all(pages, key_id=request.auth.pk)),
            content_type=request.accepted_media_type,
            headers={"X-Accel-Buffering": "no"},
        )

    def read(self, request: ApiRequest, agent_id: str) -> None:
        agent = agent_for(request.auth, agent_id)
        self.lease = Lease.take(agent.workspace_id)
        try:
            AuditEvent.objects.create(
                workspace_id=agent.workspace_id,
                action="conversations.exported",
                target=f"agent:{agent.pk}",
                detail={"api_key": request.auth.pk},
            )
            self.snapshot = export.begin(agent)
        except BaseException:
            self.lease.release()
            raise

    async def _read_all(
        self, pages: Iterator[Page], *, key_id: int
    ) -> AsyncGenerator[Page, None]:
        """One page after another, each a visit to a database thread. The next one is
        read while one is sent: two are in memory, and no more than one thread busy."""

        def turn() -> Page | None:
            self.lease.renew()
            return next(pages, None)

        async def read() -> Page | None:
            async with asyncio.timeout(PAGE_DEADLINE):
                return await threads.run(turn)

        begun = 0
        reading = asyncio.create_task(read())
        try:
            async with revocations.watch(key_id) as revoked:
                while (page := await reading) is not None:
                    reading = asyncio.create_task(read())
                    begun += page.begun
                    for chunk in _chunks(page):
                        if revoked.is_set():
                            raise ExportBroken("The API key was revoked.")
                        yield chunk
        except Exception as problem:
            log.error(
                "an export broke off",
                agent=self.snapshot.agent_id,
                conversations=begun,
                problem=type(problem).__name__,
            )
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await threads.run(self.lease.release)


def _chunks(page: Page) -> Iterator[Page]:
    for start in range(0, len(page.content), CHUNK):
        content = page.content[start : start + CHUNK]
        yield Page(content, page.begun if start == 0 else 0)


async def _document(pages: AsyncGenerator[Page, None]) -> AsyncGenerator[bytes, None]:
    yield b'{"data":['
    total = 0
    async with aclosing(pages):
        async for page in pages:
            yield page.content
            total += page.begun
    yield b'],"pagination":{"cursor":null,"hasMore":false,"total":%d}}' % total


async def _lines(pages: AsyncGenerator[Page, None]) -> AsyncGenerator[bytes, None]:
    begun = 0
    async with aclosing(pages):
        async for page in pages:
            yield page.content
            begun += page.begun
    if begun:
        yield b"\n"
