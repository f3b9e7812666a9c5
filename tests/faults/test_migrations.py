"""Migrations go up, down, and up again, with the guards they bring."""

from tests.faults.conftest import Install

APPS = ["conversations", "knowledge", "usage", "apikeys", "agents"]


def test_migrations_are_reversible(install: Install, is_postgres: bool) -> None:
    site = install()
    guards = (
        "SELECT conname FROM pg_constraint WHERE conname LIKE 'tenant_%' ORDER BY 1"
        if is_postgres
        else "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY 1"
    )
    before = site.rows(guards)
    assert len(before) >= 12
    for app in APPS:
        site.manage("migrate", app, "zero", "--verbosity=0")
    assert len(site.rows(guards)) < len(before)
    site.manage("migrate", "--verbosity=0")
    assert site.rows(guards) == before
    site.seed()
