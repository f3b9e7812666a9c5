"""The story of an import: everything the source gives, page by page, agent by agent.

Each page is one transaction, with the marker that says how far the import has come; so
one that is broken off at any moment goes on where it was, and doubles nothing.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from imports import agents, contacts, conversations, leads, lock
from imports.chatbase import Chatbase, Refused, SourceError
from imports.facts.agents import AgentFacts
from imports.facts.attributes import AttributeFacts
from imports.facts.contacts import ContactFacts
from imports.facts.conversations import ConversationFacts
from imports.facts.leads import LeadFacts
from imports.models import Import, Kind
from imports.page import Page
from imports.summary import CHANGED, MADE, Summary
from usage.models import AuditEvent
from workspaces.models import Workspace

# One that broke off longer ago begins anew: much has come at the source since.
RESUMABLE = dt.timedelta(days=1)
DONE = 0  # a marker; pages count from 1
# In this order: a contact's attributes before it.
BY_AGENT = (Kind.ATTRIBUTES, Kind.CONTACTS, Kind.CONVERSATIONS, Kind.LEADS)


class TransferError(Exception):
    """It cannot begin, in a sentence for the operator."""


class Watcher:
    """Is told how it goes; this one does not care."""

    def begin(self, what: str, rows: int | None) -> None:
        """A list begins, of so many rows if that is known."""

    def expect(self, rows: int) -> None:
        """It has so many in all."""

    def advance(self, rows: int) -> None:
        """So many more of it are in."""

    def end(self) -> None:
        """The list is in, as far as it will be."""

    def say(self, sentence: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be brought: of which agents, by the source's ids (none: of all); what
    of them; what has begun since which day."""

    kinds: Collection[Kind] = tuple(Kind)
    agents: Collection[str] = ()
    since: dt.date | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "kinds": sorted(self.kinds),
            "agents": sorted(self.agents),
            "since": self.day,
        }

    @property
    def day(self) -> str:
        return self.since.isoformat() if self.since else ""


Fetch = Callable[[int], Sequence[object]]
Take = Callable[[Page, Sequence[object]], None]


class Transfer:
    """One run. With `write` off it reads everything and writes nothing."""

    def __init__(
        self,
        workspace: Workspace,
        source: Chatbase,
        wish: Wish,
        *,
        watcher: Watcher,
        write: bool = True,
    ) -> None:
        self.workspace = workspace
        self.source = source
        self.wish = wish
        self.watcher = watcher
        self.write = write
        self.summary = Summary()

    def run(self) -> Summary:
        """Raises TransferError, SourceError, and lock.Busy while another runs."""
        holding = lock.held(self.workspace.pk) if self.write else nullcontext(_nothing)
        with holding as self._check_lock:
            self.origin = self._begin()
            for source_id, facts, agent in self._agents():
                self._take_all_of(source_id, facts, agent)
            self._finish()
        return self.summary

    # --- The run ------------------------------------------------------------------

    def _begin(self) -> Import:
        mine = {"workspace": self.workspace, "url": self.source.url}
        origin = Import.objects.filter(**mine).first() or Import(**mine)
        now = timezone.now()
        if not self.write:
            origin.markers = {}
            return origin
        if (
            origin.pk is not None
            and origin.finished_at is None
            and origin.stirred_at > now - RESUMABLE
            and origin.markers.get("wish") == self.wish.to_json()
        ):
            self.summary = Summary.from_json(origin.summary)
            self.watcher.say(
                "Going on where an earlier run broke off. Run it once more afterwards"
                " for what has come at the source since."
            )
            return origin
        origin.begun_at = origin.stirred_at = now
        origin.finished_at = None
        origin.markers = {"wish": self.wish.to_json(), "pages": {}}
        origin.summary = {}
        origin.save()
        return origin

    def _finish(self) -> None:
        if not self.write:
            return
        counts = self.summary.counts
        with transaction.atomic():
            self._check_lock()
            self.origin.markers = {}
            self.origin.finished_at = timezone.now()
            self.origin.save(update_fields=["markers", "finished_at"])
            if any(one[MADE] or one[CHANGED] for one in counts.values()):
                AuditEvent.objects.create(
                    workspace=self.workspace,
                    action="import.finished",
                    target=f"import:{self.origin.pk}",
                    detail=self.summary.to_json()["counts"],
                )

    @contextmanager
    def _transaction(self, source_id: str, kind: Kind, marker: int) -> Iterator[None]:
        """In which a page is taken in, and its marker is set."""
        if not self.write:
            yield
            return
        with transaction.atomic():
            self._check_lock()
            yield
            pages = self.origin.markers.setdefault("pages", {})
            pages.setdefault(source_id, {})[kind.value] = marker
            self.origin.stirred_at = timezone.now()
            self.origin.summary = self.summary.to_json()
            self.origin.save(update_fields=["markers", "stirred_at", "summary"])

    def _marker(self, source_id: str, kind: Kind) -> int:
        """The page to begin with, or DONE."""
        pages = self.origin.markers.get("pages", {})
        return int(pages.get(source_id, {}).get(kind.value, 1))

    # --- Agents -------------------------------------------------------------------

    def _agents(self) -> Iterator[tuple[str, AgentFacts, Agent | None]]:
        page = self._page(Kind.AGENTS, None)
        try:
            facts = page.read(self.source.chatbots(), AgentFacts)
        except Refused as refusal:
            raise SourceError(f"Of its agents, {refusal}.") from None
        if missing := set(self.wish.agents) - {one.source_id for one in facts}:
            there = ", ".join(one.source_id for one in facts[:20]) or "none"
            raise TransferError(
                f"The source has no agent {', '.join(sorted(missing))}."
                f" It has: {there}."
            )
        if self.wish.agents:
            facts = [one for one in facts if one.source_id in self.wish.agents]
        if Kind.AGENTS in self.wish.kinds:
            here = self._take_agents(page, facts)
        else:
            here = agents.here(page, page.known(facts))
        known = page.known(facts)
        for one in facts:
            agent = here.get(one.source_id)
            if agent is not None or (not self.write and one.source_id not in known):
                yield one.source_id, one, agent
            elif one.source_id not in known:
                page.skip(one, "it has not been imported yet, and --only leaves it out")

    def _take_agents(self, page: Page, facts: Sequence[AgentFacts]) -> dict[str, Agent]:
        self.watcher.begin("Agents", len(facts))
        if self._marker("", Kind.AGENTS) == DONE:
            here = agents.here(page, page.known(facts))
        else:
            with self._transaction("", Kind.AGENTS, DONE):
                here = agents.take(page, facts)
        self.watcher.advance(len(facts))
        self.watcher.end()
        return here

    # --- What an agent has ----------------------------------------------------------

    def _take_all_of(
        self, source_id: str, facts: AgentFacts, agent: Agent | None
    ) -> None:
        for kind in BY_AGENT:
            if kind not in self.wish.kinds or self._marker(source_id, kind) == DONE:
                continue
            self.watcher.begin(f"{facts.name}: {kind}", None)
            page = self._page(kind, agent)
            try:
                self._take_list(page, source_id)
            except Refused as refusal:
                self.summary.remark(kind, facts.name, str(refusal))
                with self._transaction(source_id, kind, DONE):
                    pass
            self.watcher.end()

    def _take_list(self, page: Page, source_id: str) -> None:
        fetch, take = self._ways(page.kind, source_id)
        previous: Sequence[object] | None = None
        number = self._marker(source_id, page.kind)
        while True:
            rows = fetch(number)
            # A source that knows no pages gives the same again.
            if not rows or rows == previous:
                break
            with self._transaction(source_id, page.kind, number + 1):
                take(page, rows)
            self.watcher.advance(len(rows))
            previous = rows
            number += 1
        with self._transaction(source_id, page.kind, DONE):
            pass

    def _ways(self, kind: Kind, chatbot: str) -> tuple[Fetch, Take]:
        """How a page of it is had, and how it is taken in."""
        source, since = self.source, self.wish.day
        if kind == Kind.ATTRIBUTES:
            return (
                lambda page: source.attributes(chatbot) if page == 1 else [],
                lambda page, rows: contacts.take_attributes(
                    page, page.read(rows, AttributeFacts)
                ),
            )
        if kind == Kind.CONTACTS:
            return (
                lambda page: self._contacts(chatbot, page),
                lambda page, rows: contacts.take(page, page.read(rows, ContactFacts)),
            )
        if kind == Kind.CONVERSATIONS:
            return (
                lambda page: source.conversations(chatbot, page=page, since=since),
                lambda page, rows: conversations.take(
                    page, page.read(rows, ConversationFacts)
                ),
            )
        return (
            lambda page: source.leads(chatbot, page=page, since=since),
            lambda page, rows: leads.take(page, page.read(rows, LeadFacts)),
        )

    def _contacts(self, chatbot: str, page: int) -> Sequence[object]:
        rows, total = self.source.contacts(chatbot, page=page)
        if total is not None:
            self.watcher.expect(total)
        return rows

    def _page(self, kind: Kind, agent: Agent | None) -> Page:
        return Page(
            origin=self.origin,
            agent=agent,
            kind=kind,
            summary=self.summary,
            write=self.write,
        )


def _nothing() -> None: ...
