from bookbag.guards import Guard


def append_only(table: str) -> Guard:
    """Rows are added, and from then on nobody changes or removes them."""
    name = f"append_only_{table}"
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name}: rows are never changed'); END"
    return Guard(
        name=name,
        table=table,
        sqlite={
            f"{name}_update": f"BEFORE UPDATE ON {table} {refuse}",
            f"{name}_delete": f"BEFORE DELETE ON {table} {refuse}",
        },
        postgres_up=(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION '{name}: rows are never changed'"
            " USING ERRCODE = 'check_violation'; END $$;"
            f" CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {name}();"
        ),
        postgres_down=f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


LEDGER = append_only("usage_ledgerentry")
AUDIT = append_only("usage_auditevent")
