"""The one who writes contacts.

The writers of one agent take turns. So ids and e-mails are each one contact's, however
many write at once: an e-mail is compared in lower case, and no writer gives a contact
one that another has. Where that is so already, it stays.
"""

import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent
from bookbag.api.fields import MAX_ID
from contacts import attributes, bulk
from contacts.attributes import Flaw, Schema, Values
from contacts.models import Contact, email_key

LONGEST_ID = 255  # characters of an external id
_OWN_ID = re.compile(r"\Acontact_([0-9]{1,19})\Z")
_EMAIL = re.compile(r"\A[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\Z")
_LONGEST = {"name": 255, "email": 254, "phonenumber": 64}


class Fields(TypedDict, total=False):
    """What is said of a contact. What is not there stays as it is, or empty."""

    external_id: str | None
    name: str | None
    email: str | None
    phonenumber: str | None
    stripe_accounts: list[dict[str, str]]
    custom_attributes: Values


class Taken(Exception):
    """Another contact of the agent has this id or e-mail."""


class Gone(Exception):
    """Somebody has deleted the contact meanwhile."""


class Unfit(Exception):
    """Custom attributes that cannot be kept: of which of the contacts, and why."""

    def __init__(self, flaws: Sequence[tuple[int, Flaw]]) -> None:
        super().__init__(f"{len(flaws)} custom attributes do not fit.")
        self.flaws = flaws


def by_external_id(agent: Agent, text: str) -> Contact | None:
    """The contact that the caller calls so; else the one whose own id it is."""
    if len(text) > LONGEST_ID or not _is_storable(text):
        return None
    found = agent.contacts.filter(external_id=text).first()
    if found is None and (match := _OWN_ID.match(text)) and int(match[1]) <= MAX_ID:
        found = agent.contacts.filter(pk=int(match[1])).first()
    return found


def upsert(agent: Agent, people: Sequence[Fields]) -> list[Contact]:
    """Makes those whose external ids are new, or not given, and changes the others:
    all of them or none. In the order given; one who is named twice is changed twice,
    and is in both places as it is in the end. Taken, Unfit."""
    with _turn(agent):
        schema = attributes.schema_of(agent)
        named = {one["external_id"] for one in people if one.get("external_id")}
        known = {
            contact.external_id: contact
            for contact in agent.contacts.filter(external_id__in=named)
        }
        draft = _Draft(agent, schema, known.values())
        contacts = []
        for number, fields in enumerate(people):
            name = fields.get("external_id") or secrets.token_urlsafe(12)
            contact = known.get(name) or known.setdefault(name, _new(agent, name))
            draft.apply(contact, fields, number)
            contacts.append(contact)
        draft.save()
    return contacts


def change(contact: Contact, fields: Fields) -> Contact:
    """The contact with these changes. Gone, Taken, Unfit."""
    agent = contact.agent
    with _turn(agent):
        current = _current(contact)
        draft = _Draft(agent, attributes.schema_of(agent), [current])
        draft.apply(current, fields)
        draft.save()
    return current


def delete(contact: Contact) -> Contact:
    """The contact as it was. Its conversations stay. Gone."""
    with _turn(contact.agent):
        # A conversation that is begun with it is either seen, or begun without it.
        contacts = contact.agent.contacts.select_for_update()
        current = contacts.filter(pk=contact.pk).first()
        if current is None:
            raise Gone
        contact.agent.contacts.filter(pk=contact.pk).delete()
    return current


def identify(agent: Agent, user_id: str, metadata: Mapping[str, Any]) -> Contact:
    """The contact of a visitor whose id has been verified, found or made, with what the
    page says of them: name, e-mail, phone number; all else is custom attributes.

    Only the id has been verified. What does not fit is left out and never an error; so
    are an e-mail that another contact has, and Stripe accounts. `user_id` is 1 to 255
    characters, as bodies have them.
    """
    known = agent.contacts.filter(external_id=user_id).first()
    if known is not None:
        draft = _Draft(agent, attributes.schema_of(agent), [known])
        draft.tell(known, metadata)
        if not draft.changed():
            return known  # as nearly always: nobody waits for a turn
    with _turn(agent):
        schema = attributes.schema_of(agent)
        known = agent.contacts.filter(external_id=user_id).first()
        contact = known or _new(agent, user_id)
        draft = _Draft(agent, schema, [known] if known else [])
        draft.tell(contact, metadata)
        draft.save()
    return contact


def is_email(text: str) -> bool:
    """Whether it looks like one; whether it is, only a letter could tell."""
    return len(text) <= _LONGEST["email"] and bool(_EMAIL.match(text))


class _Draft:
    """Contacts as they shall be, and how they were."""

    def __init__(
        self, agent: Agent, schema: Schema, contacts: Collection[Contact]
    ) -> None:
        self._agent = agent
        self._schema = schema
        self._before = {one.pk: (_state(one), one.email) for one in contacts}
        self._names = {one.pk: one.external_id for one in contacts}
        self._contacts: dict[int, Contact] = {}  # by identity: new ones have no key
        self._flaws: list[tuple[int, Flaw]] = []

    def apply(self, contact: Contact, fields: Fields, number: int = 0) -> None:
        """What a caller says of it, who is told what does not fit."""
        self._contacts[id(contact)] = contact
        contact.external_id = fields.get("external_id") or contact.external_id
        for name in ("name", "email", "phonenumber", "stripe_accounts"):
            if name in fields:
                setattr(contact, name, fields[name])
        if "custom_attributes" in fields:
            kept, flaws = attributes.fit(fields["custom_attributes"], self._schema)
            there = attributes.archived(contact.custom_attributes, self._schema)
            contact.custom_attributes = {**there, **kept}
            if attributes.size_of(contact.custom_attributes) > attributes.LARGEST:
                kib = attributes.LARGEST // 1024
                flaws.append(Flaw(None, f"Must have {kib} KiB at most."))
            self._flaws += [(number, flaw) for flaw in flaws]

    def tell(self, contact: Contact, metadata: Mapping[str, Any]) -> None:
        """What a page says of it, as far as it fits."""
        self._contacts[id(contact)] = contact
        for name, longest in _LONGEST.items():
            value = metadata.get(name)
            if isinstance(value, str) and 0 < len(value) <= longest:
                if name != "email":
                    setattr(contact, name, value)
                elif is_email(value):
                    self._tell_email(contact, value)
        nested = metadata.get("custom_attributes")
        said = {n: v for n, v in metadata.items() if n not in attributes.RESERVED}
        said |= nested if isinstance(nested, dict) else {}
        kept, _ = attributes.fit(said, self._schema)
        contact.custom_attributes = attributes.added(contact.custom_attributes, kept)

    def changed(self) -> list[Contact]:
        return [one for one in self._contacts.values() if self._is_changed(one)]

    def save(self) -> None:
        """Taken, Unfit."""
        if self._flaws:
            raise Unfit(self._flaws)
        if self._takes_an_id() or self._takes_an_email():
            raise Taken
        now = timezone.now()
        changed = self.changed()
        for contact in changed:
            contact.email_key = email_key(contact.email)
            contact.updated_at = now
        bulk.update([one for one in changed if one.pk is not None], now)
        new = [one for one in changed if one.pk is None]
        for contact in new:
            contact.created_at = now
        bulk.insert(new, now)

    def _tell_email(self, contact: Contact, email: str) -> None:
        before, contact.email = contact.email, email
        if self._takes_an_email():
            contact.email = before

    def _takes_an_id(self) -> bool:
        """Whether a contact would be renamed as another is."""
        renamed = [
            one.external_id
            for one in self._contacts.values()
            if one.pk is not None and one.external_id != self._names[one.pk]
        ]
        taken = self._agent.contacts.filter(external_id__in=renamed)
        return bool(renamed) and taken.exists()

    def _takes_an_email(self) -> bool:
        """Whether two contacts would have one e-mail because of a change."""
        owners: dict[str, Contact] = {}
        given: set[str] = set()
        for contact in self._contacts.values():
            key = email_key(contact.email)
            if key is None:
                continue
            is_given = key != self._key_before(contact)
            other = owners.setdefault(key, contact)
            if other is not contact and (is_given or key in given):
                return True
            if is_given:
                given.add(key)
        if not given:
            return False
        drafted = {contact.pk for contact in self._contacts.values()}
        found = self._agent.contacts.filter(email_key__in=given)
        return any(pk not in drafted for pk in found.values_list("pk", flat=True))

    def _key_before(self, contact: Contact) -> str | None:
        before = self._before.get(contact.pk)
        return email_key(before[1]) if before else None

    def _is_changed(self, contact: Contact) -> bool:
        before = self._before.get(contact.pk)
        return before is None or _state(contact) != before[0]


@contextmanager
def _turn(agent: Agent) -> Iterator[None]:
    """A transaction, in which nobody else writes this agent's contacts. Taken."""
    try:
        with transaction.atomic():
            attributes.locked(agent)
            yield
    except IntegrityError:  # by somebody who takes no turns: the staff admin
        raise Taken from None


def _current(contact: Contact) -> Contact:
    current = contact.agent.contacts.filter(pk=contact.pk).first()
    if current is None:
        raise Gone
    return current


def _new(agent: Agent, name: str) -> Contact:
    return Contact(workspace_id=agent.workspace_id, agent=agent, external_id=name)


def _state(contact: Contact) -> str:
    """What of it can change; as text, for in Python 1 is True and 1.0."""
    state = {name: getattr(contact, name) for name in bulk.CHANGING}
    return json.dumps(state, sort_keys=True)


def _is_storable(text: str) -> bool:
    """Bodies have nothing else; a path may have anything."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
