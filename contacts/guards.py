"""What the database itself keeps for us about contacts: how many there are among which
ids. See `contacts.pages`."""

from typing import Any

from bookbag.guards import Guard

# Counts are kept of blocks of 2^8 ids, and of regions of 2^16, which are 2^8 blocks.
BLOCK, REGION = 8, 16

_CONTACTS = "contacts_contact"
_COUNTS = "contacts_contactcount"
_COLUMNS = "(workspace_id, agent_id, bits, block, total)"
_ADD_UP = (
    f"ON CONFLICT (workspace_id, agent_id, bits, block)"
    f" DO UPDATE SET total = {_COUNTS}.total + excluded.total;"
)


def _sqlite_add(row: str, number: int) -> str:
    return " ".join(
        f"INSERT INTO {_COUNTS} {_COLUMNS} VALUES ({row}.workspace_id, {row}.agent_id,"
        f" {bits}, {row}.id >> {bits}, {number}) {_ADD_UP}"
        for bits in (REGION, BLOCK)
    )


# A statement's rows are counted before they are added; regions first and all in order,
# so that no two statements wait for each other.
_POSTGRES = f"""
CREATE FUNCTION contact_counts_add(
    number bigint, workspace bigint, agent bigint, contact bigint
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO {_COUNTS} {_COLUMNS}
    SELECT workspace, agent, kept.bits, contact >> kept.bits, number
    FROM (VALUES ({REGION}), ({BLOCK})) AS kept (bits)
    {_ADD_UP}
$$;
CREATE FUNCTION contact_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM {_COUNTS};
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM contact_counts_add(-1, OLD.workspace_id, OLD.agent_id, OLD.id);
        PERFORM contact_counts_add(1, NEW.workspace_id, NEW.agent_id, NEW.id);
    ELSE
        INSERT INTO {_COUNTS} {_COLUMNS}
        SELECT workspace_id, agent_id, kept.bits, id >> kept.bits,
               CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
        FROM changed CROSS JOIN (VALUES ({REGION}), ({BLOCK})) AS kept (bits)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3 DESC, 4
        {_ADD_UP}
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_counts_insert AFTER INSERT ON {_CONTACTS}
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION contact_counts();
CREATE TRIGGER contact_counts_delete AFTER DELETE ON {_CONTACTS}
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION contact_counts();
CREATE TRIGGER contact_counts_move AFTER UPDATE OF id, workspace_id, agent_id
    ON {_CONTACTS} FOR EACH ROW
    WHEN ((OLD.id, OLD.workspace_id, OLD.agent_id)
        <> (NEW.id, NEW.workspace_id, NEW.agent_id))
    EXECUTE FUNCTION contact_counts();
CREATE TRIGGER contact_counts_truncate AFTER TRUNCATE ON {_CONTACTS}
    FOR EACH STATEMENT EXECUTE FUNCTION contact_counts();
"""

COUNTS = Guard(
    name="contact_counts",
    # The table written to: without that one, SQLite must not have the triggers.
    table=_COUNTS,
    sqlite={
        "contact_counts_insert": (
            f"AFTER INSERT ON {_CONTACTS} BEGIN {_sqlite_add('NEW', 1)} END"
        ),
        "contact_counts_delete": (
            f"AFTER DELETE ON {_CONTACTS} BEGIN {_sqlite_add('OLD', -1)} END"
        ),
        "contact_counts_move": (
            f"AFTER UPDATE OF id, workspace_id, agent_id ON {_CONTACTS}"
            " WHEN (OLD.id, OLD.workspace_id, OLD.agent_id)"
            " <> (NEW.id, NEW.workspace_id, NEW.agent_id)"
            f" BEGIN {_sqlite_add('OLD', -1)} {_sqlite_add('NEW', 1)} END"
        ),
    },
    postgres_up=_POSTGRES,
    postgres_down="".join(
        f"DROP TRIGGER contact_counts_{event} ON {_CONTACTS};"
        for event in ("insert", "delete", "move", "truncate")
    )
    + "DROP FUNCTION contact_counts();"
    " DROP FUNCTION contact_counts_add(bigint, bigint, bigint, bigint);",
)


def recount(apps: Any, schema_editor: Any) -> None:
    """Counts all contacts anew; for migrations."""
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            # Nobody adds a contact between the counting and the triggers.
            cursor.execute(f"LOCK TABLE {_CONTACTS} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"DELETE FROM {_COUNTS}")
        for bits in (REGION, BLOCK):
            cursor.execute(
                f"INSERT INTO {_COUNTS} {_COLUMNS}"
                f" SELECT workspace_id, agent_id, {bits}, id >> {bits}, count(*)"
                f" FROM {_CONTACTS} GROUP BY workspace_id, agent_id, id >> {bits}"
            )
