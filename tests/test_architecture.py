"""Promises about the whole house that no single room can keep."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver

import agents
from bookbag.api.views import ApiView
from bookbag.middleware import is_api
from bookbag.tenancy import TenantModel

ROOT = Path(__file__).resolve().parent.parent
ROOMS = [
    "agents",
    "apikeys",
    "bookbag",
    "contacts",
    "conversations",
    "dashboard",
    "imports",
    "knowledge",
    "usage",
    "webhooks",
    "workspaces",
]
# Pages that somebody without a workspace must reach.
OPEN_PAGES = ("accounts/", "admin/", "healthz", "readyz", "uploads/")


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_tenant_row_has_a_workspace() -> None:
    tenant_models = [m for m in apps.get_models() if issubclass(m, TenantModel)]
    assert len(tenant_models) >= 10
    for model in tenant_models:
        assert not model._meta.get_field("workspace").null, model


def test_every_model_of_ours_is_a_tenants_or_named_here() -> None:
    shared = {"User", "Workspace"}
    for model in apps.get_models():
        if model._meta.app_label in ROOMS and not issubclass(model, TenantModel):
            assert model.__name__ in shared, model


def test_agents_is_our_own_package() -> None:
    """PyPI has a distribution that installs a package of this name."""
    assert Path(agents.__file__).is_relative_to(ROOT)


def test_every_api_route_is_a_view_of_the_floor() -> None:
    """Which means: a key or a reason, a limit, and errors in the envelope."""
    views = [view for route, view in _routes() if is_api(f"/{route}")]
    assert len(views) >= 4
    for view in views:
        cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
        assert cls is not None, view
        is_ours = issubclass(cls, ApiView)
        assert is_ours or cls.__module__.startswith("drf_spectacular"), cls
        assert cls.throttle_classes or not is_ours, cls


def test_every_page_asks_who_may() -> None:
    for route, view in _routes():
        if not is_api(f"/{route}") and not route.startswith(OPEN_PAGES):
            assert hasattr(view, "needs_role"), route


def test_rooms_have_names_on_their_doors() -> None:
    nameless = {"utils.py", "helpers.py", "services.py", "common", "core"}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            assert path.name not in nameless, path


def test_test_folders_are_packages() -> None:
    """Or pytest takes tests/agents for the app."""
    for folder in (ROOT / "tests").rglob("*"):
        if folder.is_dir() and any(folder.glob("test_*.py")):
            assert (folder / "__init__.py").exists(), folder


def test_models_are_scoped_through_the_queryset() -> None:
    """`workspace_id ==` in code means that somebody compares by hand."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Compare):
                    names = {getattr(n, "attr", "") for n in ast.walk(node)}
                    assert "workspace_id" not in names, f"{path}:{node.lineno}"


def _routes(
    patterns: list | None = None, prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback
