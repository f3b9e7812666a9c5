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


# The day of UTC on which something happened. SQLite keeps times as UTC text.
DAY = {
    "sqlite": "substr({}, 1, 10)",
    "postgresql": "({} AT TIME ZONE 'UTC')::date",
}
# In which the replies of one agent and key go round: eight at once were rolled up six
# times as fast as in one row. Entries made at once have ids in a row, and so different
# slots.
SLOTS = 16
_ROLL_UP = (
    "INSERT INTO usage_dailyusage (workspace_id, day, agent_id, api_key_id, slot,"
    " replies, input_tokens, output_tokens, credits)"
    " VALUES (NEW.workspace_id, {day}, NEW.agent_id, coalesce(NEW.api_key_id, 0),"
    f" NEW.id % {SLOTS}, 1, NEW.input_tokens, NEW.output_tokens, NEW.credits)"
    " ON CONFLICT (workspace_id, day, agent_id, api_key_id, slot) DO UPDATE SET"
    " replies = usage_dailyusage.replies + 1,"
    " input_tokens = usage_dailyusage.input_tokens + excluded.input_tokens,"
    " output_tokens = usage_dailyusage.output_tokens + excluded.output_tokens,"
    " credits = usage_dailyusage.credits + excluded.credits;"
)


def _roll_up(vendor: str) -> str:
    return _ROLL_UP.format(day=DAY[vendor].format("NEW.created_at"))


# Of the table that it writes to: without that one, SQLite must not have the trigger.
DAILY = Guard(
    name="daily_usage",
    table="usage_dailyusage",
    sqlite={
        "daily_usage_insert": (
            f"AFTER INSERT ON usage_ledgerentry BEGIN {_roll_up('sqlite')} END"
        )
    },
    postgres_up=(
        "CREATE FUNCTION daily_usage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" {_roll_up('postgresql')} RETURN NULL; END $$;"
        " CREATE TRIGGER daily_usage AFTER INSERT ON usage_ledgerentry"
        " FOR EACH ROW EXECUTE FUNCTION daily_usage();"
    ),
    postgres_down=(
        "DROP TRIGGER daily_usage ON usage_ledgerentry; DROP FUNCTION daily_usage();"
    ),
)
