"""Full text search of what was said.

Both databases index the words of messages that are no longer being made: whatever their
case, and nothing stemmed, because people write in many languages. The workspace is a
word of the index as well, one that only we can write: a search meets no messages of
strangers, however common its words. PostgreSQL keeps an expression index; on SQLite
triggers fill an FTS5 table (so a migration that changes messages itself, while all
guards are away, ends with `conversations.guards.reindex`).
"""

import unicodedata
from typing import Any

from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet
from django.db.models.expressions import RawSQL

from conversations.guards import FTS, words_of
from conversations.models import Message


def readable_messages(workspace_id: int, text: str) -> QuerySet[Message]:
    """What readers are shown that has all words of `text`; those "in quotes", one after
    the other. Whatever else stands there only separates words."""
    messages = Message.objects.for_workspace(workspace_id).readable()
    phrases = _phrases(text)
    if not phrases:
        return messages.none()
    # In quotes nothing is an operator, to either of them.
    words = " ".join(f'"{phrase}"' for phrase in phrases)
    if connection.vendor == "postgresql":
        return messages.filter(_Matches(words, workspace_id))
    match = f'workspace_id : "{workspace_id}" AND text : ({words})'
    return messages.filter(
        pk__in=RawSQL(f"SELECT rowid FROM {FTS} WHERE {FTS} MATCH %s", [match])
    )


def has_words(text: str) -> bool:
    """Whether there is anything to search for."""
    return bool(_phrases(text))


def _phrases(text: str) -> list[str]:
    """Every other piece between quotes is a phrase; the others are single words."""
    phrases: list[str] = []
    for number, piece in enumerate(text.split('"')):
        words = "".join(c if _is_of_word(c) else " " for c in piece).split()
        phrases += [" ".join(words)] if number % 2 and words else words
    # Said again it asks for nothing more, but a database looks again.
    return list({phrase.casefold(): phrase for phrase in phrases}.values())


def _is_of_word(character: str) -> bool:
    """As FTS5 sees it, see `categories` in `conversations.guards`."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category in ("Co", "Mn", "Mc")


class _Matches(Func):
    """PostgreSQL's condition that its index answers."""

    output_field = BooleanField()

    def __init__(self, words: str, workspace_id: int) -> None:
        super().__init__(F("text"), F("workspace"))
        self.words, self.workspace_id = words, workspace_id

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> Any:  # type: ignore[override]
        text, workspace = (
            compiler.compile(column)[0] for column in self.get_source_expressions()
        )
        words = "websearch_to_tsquery('simple', %s)"
        # What PostgreSQL takes for no word at all ("½", "①") would ask for nothing, and
        # so for whatever the workspace has.
        return (
            f"({words_of(text, workspace)} @@ ({words} && %s::tsquery)"
            f" AND numnode({words}) > 0)",
            [self.words, f"'#{self.workspace_id}'", self.words],
        )
