"""Contacts and their custom attributes, as they are brought.

Written past `contacts.records`: the source has checked them, by its own rules, and
their times are to stay.
"""

from collections.abc import Sequence

from django.utils import timezone

from contacts import attributes
from contacts.models import Contact, CustomAttribute, email_key
from imports.facts.attributes import AttributeFacts
from imports.facts.contacts import ContactFacts
from imports.models import ImportedRow
from imports.page import Page, differing
from imports.summary import CHANGED, KNOWN, MADE

WRITTEN = (
    "external_id",
    "name",
    "email",
    "email_key",
    "phonenumber",
    "stripe_accounts",
    "custom_attributes",
    "updated_at",
)


def take_attributes(page: Page, facts: Sequence[AttributeFacts]) -> None:
    known = page.known(facts)
    here = attributes.schema_of(page.agent) if page.agent else {}
    for one in facts:
        row, mine = known.get(one.source_id), here.get(one.name)
        if mine is not None and mine.type != one.type:
            page.skip(one, f"its type is “{mine.type}” here and “{one.type}” there")
        elif row is not None:
            _change_attribute(page, one, row, mine)
        elif mine is not None:
            page.count(KNOWN)
            if page.write and page.agent:
                page.note([(one, mine.pk)], page.agent)
        elif len(here) >= attributes.MOST:
            page.skip(one, f"an agent has {attributes.MOST} attributes at most")
        else:
            page.count(MADE)
            if page.write and page.agent:
                here[one.name] = mine = CustomAttribute.objects.create(
                    workspace_id=page.origin.workspace_id,
                    agent=page.agent,
                    name=one.name,
                    label=one.label,
                    type=one.type,
                    description=one.description,
                    archived=one.archived,
                )
                page.note([(one, mine.pk)], page.agent)


def _change_attribute(
    page: Page, one: AttributeFacts, row: ImportedRow, mine: CustomAttribute | None
) -> None:
    changed = differing(row, one)
    if mine is None or not changed:
        page.count(KNOWN)
        return
    page.count(CHANGED)
    if page.write:
        for name in changed:
            setattr(mine, name, getattr(one, name))
        mine.save(update_fields=[*changed, "updated_at"])
        row.marks = one.marks
        page.note_again([row])


def take(page: Page, facts: Sequence[ContactFacts]) -> None:
    if page.agent is None:
        page.count(MADE, len(facts))
        return
    if page.write:
        attributes.locked(page.agent)
    known = page.known(facts)
    news = [one for one in facts if one.source_id not in known]
    changed = [
        one
        for one in facts
        if one.source_id in known and differing(known[one.source_id], one)
    ]
    page.count(KNOWN, len(facts) - len(news) - len(changed))
    writer = _Writer(page, news, changed, [known[c.source_id] for c in changed])
    for one in changed:
        writer.change(one, known[one.source_id])
    for one in news:
        writer.make(one)
    if page.write:
        writer.save()


class _Writer:
    """A page of contacts, in a handful of queries."""

    def __init__(
        self,
        page: Page,
        news: Sequence[ContactFacts],
        changed: Sequence[ContactFacts],
        rows: Sequence[ImportedRow],
    ) -> None:
        assert page.agent is not None
        self.page, self.agent = page, page.agent
        self._schema = attributes.schema_of(self.agent)
        named = [one.external_id for one in (*news, *changed)]
        self._by_name = {
            contact.external_id: contact
            for contact in self.agent.contacts.filter(external_id__in=named)
        }
        self._by_id = {contact.pk: contact for contact in self._by_name.values()}
        others = {row.row_id for row in rows} - set(self._by_id)
        self._by_id |= self.agent.contacts.in_bulk(others) if others else {}
        new_names = {one.external_id for one in news}
        self._taken = page.taken(  # by others of the source
            contact.pk for name, contact in self._by_name.items() if name in new_names
        )
        self._made: list[tuple[ContactFacts, Contact]] = []
        self._adopted: list[tuple[ContactFacts, int]] = []
        self._changed: list[Contact] = []
        self._rows: list[ImportedRow] = []

    def make(self, one: ContactFacts) -> None:
        mine = self._by_name.get(one.external_id)
        if mine is None or mine.external_id != one.external_id:  # it was given up
            contact = Contact(
                workspace_id=self.page.origin.workspace_id,
                agent=self.agent,
                created_at=one.created_at or timezone.now(),
            )
            self._fill(contact, one)
            self._by_name[one.external_id] = contact
            self._made.append((one, contact))
            self.page.count(MADE)
        elif mine._state.adding or mine.pk in self._taken:
            self.page.skip(one, "another contact of the source has its external id")
        else:
            # Begun here under the same id before: whichever is newer stands.
            self._adopted.append((one, mine.pk))
            if one.updated_at and one.updated_at > mine.updated_at:
                self._fill(mine, one)
                self._changed.append(mine)
                self.page.count(CHANGED)
            else:
                self.page.count(KNOWN)

    def change(self, one: ContactFacts, row: ImportedRow) -> None:
        mine = self._by_id.get(row.row_id)
        owner = self._by_name.get(one.external_id)
        if mine is None:  # deleted here since
            self.page.count(KNOWN)
        elif owner is not None and owner.pk != mine.pk:
            self.page.skip(one, "another contact here has its new external id")
            return
        else:
            self._fill(mine, one)
            self._changed.append(mine)
            self._by_name[one.external_id] = mine
            self.page.count(CHANGED)
        row.marks = one.marks
        self._rows.append(row)

    def save(self) -> None:
        Contact.objects.bulk_update(self._changed, WRITTEN, batch_size=200)
        Contact.objects.bulk_create([contact for _, contact in self._made])
        made = [(one, contact.pk) for one, contact in self._made]
        self.page.note([*made, *self._adopted], self.agent)
        self.page.note_again(self._rows)

    def _fill(self, contact: Contact, one: ContactFacts) -> None:
        for name, value in one.values.items():
            setattr(contact, name, value)
        contact.email_key = email_key(contact.email)
        contact.updated_at = one.updated_at or timezone.now()
        # Values of archived attributes stay: only new ones would be refused.
        archived = {name for name, its in self._schema.items() if its.archived}
        said = one.custom_attributes
        kept, flaws = attributes.fit(
            {name: value for name, value in said.items() if name not in archived},
            self._schema,
        )
        for flaw in flaws:
            self.page.remark(
                one, f"a value of the attribute “{flaw.name}” is not of its type"
            )
        kept |= {name: value for name, value in said.items() if name in archived}
        contact.custom_attributes = {name: kept[name] for name in said if name in kept}
