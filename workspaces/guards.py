from bookbag.guards import Guard

# Of two owners who leave at the same moment only one may: the second waits for the
# first at the workspace's row, and then sees that it is the last.
_POSTGRES_LAST_OWNER = """
CREATE FUNCTION workspaces_last_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.role <> 'owner' THEN RETURN NULL; END IF;
    PERFORM 1 FROM workspaces_workspace WHERE id = OLD.workspace_id FOR UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT 1 FROM workspaces_member
        WHERE workspace_id = OLD.workspace_id AND role = 'owner'
    ) THEN
        RAISE EXCEPTION 'last_owner: a workspace keeps at least one owner'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER last_owner AFTER UPDATE OR DELETE ON workspaces_member
    FOR EACH ROW EXECUTE FUNCTION workspaces_last_owner();
"""

_SQLITE_LAST_OWNER = """
    WHEN OLD.role = 'owner' {condition} AND NOT EXISTS (
        SELECT 1 FROM workspaces_member WHERE workspace_id = OLD.workspace_id
        AND role = 'owner' AND id <> OLD.id
    ) BEGIN
        SELECT RAISE(ABORT, 'last_owner: a workspace keeps at least one owner');
    END
"""

LAST_OWNER = Guard(
    name="last_owner",
    table="workspaces_member",
    sqlite={
        "last_owner_update": "BEFORE UPDATE ON workspaces_member"
        + _SQLITE_LAST_OWNER.format(
            condition="AND (NEW.role <> 'owner'"
            " OR NEW.workspace_id <> OLD.workspace_id)"
        ),
        "last_owner_delete": "BEFORE DELETE ON workspaces_member"
        + _SQLITE_LAST_OWNER.format(condition=""),
    },
    postgres_up=_POSTGRES_LAST_OWNER,
    postgres_down="DROP TRIGGER last_owner ON workspaces_member;"
    " DROP FUNCTION workspaces_last_owner();",
)
