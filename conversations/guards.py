"""What the database itself keeps for us about conversations: totals, and words."""

from typing import Any

from bookbag.guards import Guard

# --- Totals: see `conversations.counters` ---------------------------------------------

# Transactions that begin conversations of one agent at the same time seldom meet at the
# same row, where one would wait for the other. SQLite has one writer, and one row.
SLOTS = 16

_CONVERSATIONS = "conversations_conversation"
_TOTALS = "conversations_conversationtotal"
_ADD_UP = (
    f"ON CONFLICT (workspace_id, agent_id, slot)"
    f" DO UPDATE SET total = {_TOTALS}.total + excluded.total;"
)
_TOTAL_COLUMNS = "(workspace_id, agent_id, slot, total)"


def _sqlite_add(row: str, number: int) -> str:
    return (
        f"INSERT INTO {_TOTALS} {_TOTAL_COLUMNS}"
        f" VALUES ({row}.workspace_id, {row}.agent_id, 0, {number}) {_ADD_UP}"
    )


# A statement's rows are added up before they are added, so that many conversations at
# once are one update; agents in order, so that no two statements wait for each other.
_POSTGRES = f"""
CREATE FUNCTION conversation_totals_add(number bigint, workspace bigint, agent bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO {_TOTALS} {_TOTAL_COLUMNS}
    VALUES (workspace, agent, txid_current() % {SLOTS}, number)
    {_ADD_UP}
$$;
CREATE FUNCTION conversation_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM {_TOTALS};
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM conversation_totals_add(-1, OLD.workspace_id, OLD.agent_id);
        PERFORM conversation_totals_add(1, NEW.workspace_id, NEW.agent_id);
    ELSE
        INSERT INTO {_TOTALS} {_TOTAL_COLUMNS}
        SELECT workspace_id, agent_id, txid_current() % {SLOTS},
               CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
        FROM changed GROUP BY workspace_id, agent_id ORDER BY workspace_id, agent_id
        {_ADD_UP}
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER conversation_totals_insert AFTER INSERT ON {_CONVERSATIONS}
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION conversation_totals();
CREATE TRIGGER conversation_totals_delete AFTER DELETE ON {_CONVERSATIONS}
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION conversation_totals();
CREATE TRIGGER conversation_totals_move AFTER UPDATE OF workspace_id, agent_id
    ON {_CONVERSATIONS} FOR EACH ROW
    WHEN ((OLD.workspace_id, OLD.agent_id) <> (NEW.workspace_id, NEW.agent_id))
    EXECUTE FUNCTION conversation_totals();
CREATE TRIGGER conversation_totals_truncate AFTER TRUNCATE ON {_CONVERSATIONS}
    FOR EACH STATEMENT EXECUTE FUNCTION conversation_totals();
"""

TOTALS = Guard(
    name="conversation_totals",
    # The table written to: without that one, SQLite must not have the triggers.
    table=_TOTALS,
    sqlite={
        "conversation_totals_insert": (
            f"AFTER INSERT ON {_CONVERSATIONS} BEGIN {_sqlite_add('NEW', 1)} END"
        ),
        "conversation_totals_delete": (
            f"AFTER DELETE ON {_CONVERSATIONS} BEGIN {_sqlite_add('OLD', -1)} END"
        ),
        "conversation_totals_move": (
            f"AFTER UPDATE OF workspace_id, agent_id ON {_CONVERSATIONS}"
            " WHEN (OLD.workspace_id, OLD.agent_id)"
            " <> (NEW.workspace_id, NEW.agent_id)"
            f" BEGIN {_sqlite_add('OLD', -1)} {_sqlite_add('NEW', 1)} END"
        ),
    },
    postgres_up=_POSTGRES,
    postgres_down="".join(
        f"DROP TRIGGER conversation_totals_{event} ON {_CONVERSATIONS};"
        for event in ("insert", "delete", "move", "truncate")
    )
    + "DROP FUNCTION conversation_totals();"
    " DROP FUNCTION conversation_totals_add(bigint, bigint, bigint);",
)


def recount(apps: Any, schema_editor: Any) -> None:
    """Counts all conversations anew; for migrations."""
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            # Nobody begins a conversation between the counting and the triggers.
            cursor.execute(f"LOCK TABLE {_CONVERSATIONS} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"DELETE FROM {_TOTALS}")
        cursor.execute(
            f"INSERT INTO {_TOTALS} {_TOTAL_COLUMNS}"
            f" SELECT workspace_id, agent_id, 0, count(*) FROM {_CONVERSATIONS}"
            " GROUP BY workspace_id, agent_id"
        )


# --- Words: see `conversations.search` ------------------------------------------------

_MESSAGES = "conversations_message"
FTS = "conversations_messagetext"
_FINISHED = "status NOT IN ('queued', 'streaming')"


_PUNCTUATION = "./@:-_=?&+~#<>"


def words_of(text: str, workspace: str) -> str:
    """Punctuation inside of words would make addresses, files and tags of them, which
    are found as a whole only. Text is cut where its vector could grow too large."""
    spaces = " " * len(_PUNCTUATION)
    words = f"translate(left({text}, 50000), '{_PUNCTUATION}', '{spaces}')"
    return (
        f"(to_tsvector('simple', {words})"
        f" || array_to_tsvector(ARRAY['#' || {workspace}::text]))"
    )


_INDEX = (
    f"INSERT INTO {FTS} (rowid, text, workspace_id)"
    f" SELECT NEW.id, NEW.text, NEW.workspace_id WHERE NEW.{_FINISHED};"
)
_UNINDEX = (
    f"INSERT INTO {FTS} ({FTS}, rowid, text, workspace_id)"
    f" SELECT 'delete', OLD.id, OLD.text, OLD.workspace_id WHERE OLD.{_FINISHED};"
)

WORDS = Guard(
    name="message_words",
    # The table written to: without that one, SQLite must not have the triggers.
    table=FTS,
    sqlite={
        "message_words_insert": f"AFTER INSERT ON {_MESSAGES} BEGIN {_INDEX} END",
        "message_words_delete": f"AFTER DELETE ON {_MESSAGES} BEGIN {_UNINDEX} END",
        # One trigger, for the order of two is not defined. A reply in the making is
        # saved every second, and passes it by.
        "message_words_update": (
            f"AFTER UPDATE OF text, status, workspace_id ON {_MESSAGES}"
            f" WHEN OLD.{_FINISHED} OR NEW.{_FINISHED} BEGIN {_UNINDEX} {_INDEX} END"
        ),
    },
    postgres_up=(
        f"CREATE INDEX message_words ON {_MESSAGES}"
        f" USING gin ({words_of('text', 'workspace_id')}) WHERE {_FINISHED}"
    ),
    postgres_down="DROP INDEX message_words",
)

# Nothing is stored twice: FTS5 reads a message's text from its own table.
CREATE_SQLITE_INDEX = (
    f"CREATE VIRTUAL TABLE {FTS} USING fts5 (text, workspace_id,"
    f" content='{_MESSAGES}', content_rowid='id',"
    " tokenize=\"unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'\")"
)
DROP_SQLITE_INDEX = f"DROP TABLE {FTS}"


def reindex(apps: Any, schema_editor: Any) -> None:
    """Fills SQLite's index anew; for migrations."""
    if schema_editor.connection.vendor != "sqlite":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {FTS} ({FTS}) VALUES ('delete-all')")
        cursor.execute(
            f"INSERT INTO {FTS} (rowid, text, workspace_id)"
            f" SELECT id, text, workspace_id FROM {_MESSAGES} WHERE {_FINISHED}"
        )
