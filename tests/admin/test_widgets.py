"""Staff see and change widgets: what they write is looked at as the API's callers'."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from agents import pictures, widgets
from agents.models import Agent, Widget
from tests.agents.test_pictures import drawn
from tests.conftest import make_workspace
from workspaces.models import User


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


@pytest.fixture
def widget(agent: Agent) -> Widget:
    widgets.change(agent, {"styles": {"theme": "dark"}, "ip_limit": 5})
    pictures.give(agent, "icon", pictures.redraw(drawn()))
    return Widget.objects.get(agent=agent)


def page(widget: Widget) -> str:
    return reverse("admin:agents_widget_change", args=[widget.pk])


def shown(staff: Client, widget: Widget) -> dict[str, Any]:
    """The form as it is when the page opens."""
    form = staff.get(page(widget)).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {
        name: "" if value is None else value
        for name, value in values.items()
        if name not in ("icon", "profile_picture")
    }


def test_saved_as_it_is_nothing_changes(staff: Client, widget: Widget) -> None:
    assert staff.post(page(widget), shown(staff, widget)).status_code == 302
    before = Widget.objects.filter(pk=widget.pk).values()[0]
    assert staff.post(page(widget), shown(staff, widget)).status_code == 302
    assert Widget.objects.filter(pk=widget.pk).values()[0] == before
    assert before["icon"] == widget.icon.name
    assert before["styles"] == {"theme": "dark"}


def test_what_is_written_is_kept(staff: Client, widget: Widget) -> None:
    form = shown(staff, widget) | {
        "initial_messages": "Hello!\n\nHow can I help?",
        "domains": "Example.com\n*.bücher.example",
        "only_allowed_domains": "on",
        "styles": '{"buttonColor": "red", "footer": null}',
        "lead_form": '{"email": {"active": true}}',
        "ip_limit": "",
        "ip_limit_message": "Later.",
    }
    assert staff.post(page(widget), form).status_code == 302
    widget.refresh_from_db()
    assert widget.initial_messages == ["Hello!", "How can I help?"]
    assert widget.domains == ["example.com", "*.xn--bcher-kva.example"]
    assert widget.only_allowed_domains
    assert widget.styles == {"buttonColor": "#ff0000"}
    assert widget.lead_form == {"email": {"active": True}}
    assert (widget.ip_limit, widget.ip_limit_message) == (None, "Later.")
    assert widget.icon.name


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("domains", "https://example.com", "Must be a host"),
        ("styles", '{"theme": "blue"}', "theme: "),
        ("styles", "[1]", "JSON object"),
        ("styles", '{"theme": "dark"', "not valid JSON"),
        ("lead_form", '{"email": {"active": "yes"}}', "email.active: "),
        ("ip_limit", "0", "greater than or equal to 1"),
        ("ip_limit_timeframe", "99999999", "less than or equal to"),
        ("initial_messages", "x" * 1_001, "no more than 1000"),
        ("icon", SimpleUploadedFile("a.png", b"<svg/>"), "no picture"),
        ("profile_picture", SimpleUploadedFile("a", drawn(size=(2, 1))), "square"),
    ],
)
def test_what_the_api_refuses_is_refused(
    staff: Client, widget: Widget, field: str, value: Any, words: str
) -> None:
    before = Widget.objects.filter(pk=widget.pk).values()[0]
    response = staff.post(page(widget), shown(staff, widget) | {field: value})
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert words in " ".join(errors[field])
    assert Widget.objects.filter(pk=widget.pk).values()[0] == before


def test_pictures_are_drawn_anew_and_the_former_go(
    staff: Client, widget: Widget, django_capture_on_commit_callbacks: Any
) -> None:
    former = Path(widget.icon.path)
    photo = SimpleUploadedFile("../../me.svg", drawn("JPEG") + b"<script>")
    with django_capture_on_commit_callbacks(execute=True):
        form = shown(staff, widget) | {"icon": photo, "profile_picture": photo}
        photo.seek(0)
        staff.post(page(widget), form | {"profile_picture": ""})
    widget.refresh_from_db()
    assert not former.exists()
    assert pictures.find(widget.icon.name)
    assert b"script" not in Path(widget.icon.path).read_bytes()
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(page(widget), shown(staff, widget) | {"icon-clear": "on"})
    former = Path(widget.icon.path)
    widget.refresh_from_db()
    assert not widget.icon
    assert not former.exists()


def test_a_widget_keeps_to_its_workspace(staff: Client, agent: Agent) -> None:
    elsewhere = Agent.objects.create(workspace=make_workspace("B"), name="Theirs")
    form = {"workspace": agent.workspace_id, "agent": elsewhere.pk}
    path = reverse("admin:agents_widget_add")
    assert "of another workspace" in staff.post(path, form).content.decode()
    form["agent"] = agent.pk
    assert staff.post(path, form).status_code == 302
    made = Widget.objects.get()
    assert (made.styles, made.domains, made.lead_form) == ({}, [], {})


def test_a_widget_is_not_deleted(staff: Client, widget: Widget) -> None:
    path = reverse("admin:agents_widget_delete", args=[widget.pk])
    assert staff.post(path, {"post": "yes"}).status_code == 403
