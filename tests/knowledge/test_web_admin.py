"""Adding a web page in the staff admin."""

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from bookbag import outbound
from knowledge.models import Source
from workspaces.models import User

ADD = reverse("admin:knowledge_source_add")


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


@pytest.fixture
def form(agent: Agent) -> dict[str, object]:
    return {"workspace": agent.workspace_id, "agent": agent.pk, "kind": "url"}


def test_it_needs_an_address_only(staff: Client, form: dict[str, object]) -> None:
    page = staff.post(ADD, form | {"url": "https://example.com/faq"})
    assert page.status_code == 302, page.context["errors"]
    source = Source.objects.get()
    assert (source.kind, source.status) == ("url", "queued")
    assert source.title == source.url == "https://example.com/faq"


def test_its_title_may_be_given(staff: Client, form: dict[str, object]) -> None:
    staff.post(ADD, form | {"url": "https://example.com/faq", "title": "Questions"})
    assert Source.objects.get().title == "Questions"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "A web page needs an address."),
        ("http://169.254.169.254/latest/", outbound.NOT_ALLOWED),
        ("http://[::1]/", outbound.NOT_ALLOWED),
        ("http://localhost/", outbound.NOT_ALLOWED),
        ("https://example.com:8443/", outbound.NOT_THIS_PORT),
        ("https://user:secret@example.com/", outbound.NO_PASSWORDS),
        ("ftp://example.com/", outbound.NOT_A_URL),
    ],
)
def test_an_address_that_is_never_called_is_not_kept(
    staff: Client, form: dict[str, object], url: str, sentence: str
) -> None:
    page = staff.post(ADD, form | {"url": url}).content.decode()
    assert sentence in page
    assert not Source.objects.exists()


def test_it_cannot_become_one_later(staff: Client, form: dict[str, object]) -> None:
    staff.post(ADD, form | {"url": "https://example.com/faq"})
    source = Source.objects.get()
    path = reverse("admin:knowledge_source_change", args=[source.pk])

    assert outbound.NOT_ALLOWED in staff.post(path, {"url": "http://10.0.0.1/"}).text

    source.refresh_from_db()
    assert source.url == "https://example.com/faq"


@pytest.mark.parametrize("missing", ["title", "content"])
def test_a_text_needs_its_title_and_its_words(
    staff: Client, form: dict[str, object], missing: str
) -> None:
    form |= {"kind": "text", "title": "Shipping", "content": "Two days."}
    page = staff.post(ADD, form | {missing: ""})
    assert page.context["adminform"].errors == {missing: ["This field is required."]}
    assert staff.post(ADD, form).status_code == 302
