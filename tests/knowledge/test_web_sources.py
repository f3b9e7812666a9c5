"""A web page as a source: from its address to a citation of it."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from agents.models import Agent
from bookbag import outbound
from bookbag.addresses import Allowlist
from knowledge import indexing, sources
from knowledge.loaders import web
from knowledge.models import MAX_CHARACTERS, Chunk, Source
from tests.conftest import make_workspace
from tests.conversations.conftest import make_shop
from tests.installation import eventually
from tests.sites import Page, Site, Visit, page, redirect

SHIPPING = """<title>Shipping – Acme</title><nav>Home</nav><h1>Shipping</h1>
<h2>Canada</h2><p>Delivery to Canada takes 5 to 9 business days.</p>"""


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    with Site({"/": page(SHIPPING)}) as site:
        settings.OUTBOUND_ALLOW = Allowlist.parse(f"127.0.0.1:{site.port}")
        yield site


def indexed(agent: Agent, url: str) -> Source:
    source = sources.add_url(agent, url)
    indexing.index_source(source.pk)
    source.refresh_from_db()
    return source


def is_ready(source: Source) -> bool:
    source.refresh_from_db()
    return source.status == "ready"


def text_of(source: Source) -> str:
    return source.documents.get(superseded_at=None).text


def make_due(source: Source) -> None:
    """The pause before the next attempt is over."""
    over = timezone.now() - timedelta(seconds=1)
    Source.objects.filter(pk=source.pk).update(lease_expires_at=over)


def test_it_works(agent: Agent, site: Site) -> None:
    source = indexed(agent, site.url())

    assert (source.status, source.error, source.progress) == ("ready", "", 100)
    assert (source.kind, source.url, source.content) == ("url", site.url(), "")
    assert source.title == "Shipping – Acme"
    document = source.documents.get()
    assert (document.title, document.url) == ("Shipping – Acme", site.url())
    assert document.text.startswith("# Shipping\n\n## Canada\n\nDelivery to")
    assert document.chunks.get().heading == "Shipping > Canada"


def test_an_answer_cites_the_page(http: httpx.Client, site: Site) -> None:
    shop = make_shop(http)
    source = sources.add_url(shop.agent, site.url())
    indexing.index_source(source.pk)
    eventually(lambda: is_ready(source))  # the server may have been woken and be faster

    told = shop.chat("How long does delivery to Canada take?").json()["data"]
    assert "5 to 9 business days" in told["parts"][0]["text"]
    conversation = told["metadata"]["conversationId"]
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation}/messages"
    _, message = http.get(path, headers=shop.headers).json()["data"]
    [citation] = message["metadata"]["citations"]
    assert citation["url"] == site.url()
    assert citation["title"] == "Shipping – Acme"
    assert citation["sourceId"] == source.pk
    assert citation["quote"] == "Delivery to Canada takes 5 to 9 business days."


def test_a_title_that_somebody_gave_stays(agent: Agent, site: Site) -> None:
    source = sources.add_url(agent, site.url())
    Source.objects.filter(pk=source.pk).update(title="Our shipping")
    indexing.index_source(source.pk)
    source.refresh_from_db()
    assert source.title == source.documents.get().title == "Our shipping"


@pytest.mark.parametrize("title", ["", "<title> </title>"])
def test_a_page_without_a_title_is_called_by_its_address(
    agent: Agent, site: Site, title: str
) -> None:
    site.pages["/plain"] = page(title + "<p>Words.")
    source = indexed(agent, site.url("/plain"))
    assert source.title == site.url("/plain")


def test_a_long_address_and_a_long_title(agent: Agent, site: Site) -> None:
    path = "/" + "a" * 1_900
    site.pages[path] = page(f"<title>{'T' * 300}</title><p>Words.")
    source = sources.add_url(agent, site.url(path))
    assert source.title == site.url(path)[:200]
    indexing.index_source(source.pk)
    source.refresh_from_db()
    assert source.title == "T" * 200


def test_a_page_that_has_changed_is_read_again(agent: Agent, site: Site) -> None:
    source = indexed(agent, site.url())
    site.pages["/"] = page(SHIPPING.replace("5 to 9", "2 to 3"))

    assert indexed(agent, site.url()) == source

    assert "2 to 3" in text_of(source)
    assert source.documents.count() == 2


def test_a_redirect_is_followed_and_what_was_given_is_cited(
    agent: Agent, site: Site
) -> None:
    site.pages["/old"] = redirect("/")
    source = indexed(agent, site.url("/old"))
    assert source.status == "ready"
    assert source.documents.get().url == site.url("/old")


# --- Kinds and charsets -------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"# Rules\n\n* One\n", "text/markdown", "# Rules\n\n* One\n"),
        (b"One\r\ntwo <b>", "text/plain", "One\ntwo <b>"),
        (b"<p>One</p>", "application/xhtml+xml", "One"),
        (b"<p>One</p>", "TEXT/HTML;Charset=UTF-8", "One"),
        (b"<!DOCTYPE html><p>One", "", "One"),
        (b"a\0b", "text/plain", "ab"),
        # Charsets: a mark at the start, the header, the page, a guess.
        ("\ufeff<p>Größe".encode("utf-16"), "text/html", "Größe"),
        ("<p>Größe".encode("utf-16-be"), "text/html; charset=utf-16be", "Größe"),
        (b"\xef\xbb\xbf<p>Gr\xc3\xb6\xc3\x9fe", "text/html; charset=latin1", "Größe"),
        (b"<p>Gr\xf6\xdfe", 'text/html; charset="iso-8859-1"', "Größe"),
        (b"<p>\x80 5", "text/html; charset=iso-8859-1", "€ 5"),
        (b"<meta charset=windows-1252><p>Gr\xf6\xdfe", "text/html", "Größe"),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">'
            + "<p>送料は無料".encode("shift_jis"),
            "text/html",
            "送料は無料",
        ),
        (b"<meta charset=utf-16><p>Gr\xc3\xb6\xc3\x9fe", "text/html", "Größe"),
        ("<p>Größe".encode(), "text/html", "Größe"),
        (b"<p>Gr\xf6\xdfe", "text/html", "Größe"),
        (b"Gr\xf6\xdfe", "text/plain", "Größe"),
        ("<p>Größe".encode(), "text/html; charset=nonsense", "Größe"),
        # Python knows these; of pages they are no charsets.
        (b"<p>\\u0041", "text/html; charset=unicode_escape", "\\u0041"),
        (b"<p>+AEE-", "text/html; charset=utf-7", "+AEE-"),
        (b"<p>xn--a", "text/html; charset=idna", "xn--a"),
        (b"<p>Gr\xff\xfee", "text/html; charset=utf-8", "Gr\ufffd\ufffde"),
    ],
)
def test_what_can_be_read(
    agent: Agent, site: Site, body: bytes, kind: str, text: str
) -> None:
    site.pages["/"] = page(body, kind=kind)
    assert text_of(indexed(agent, site.url())) == text


def test_markdown_that_begins_with_a_heading_is_called_by_it(
    agent: Agent, site: Site
) -> None:
    site.pages["/"] = page("#  House rules\n\nBe kind.", kind="text/markdown")
    assert indexed(agent, site.url()).title == "House rules"


def test_a_title_is_one_that_can_be_stored_and_shown(agent: Agent, site: Site) -> None:
    site.pages["/"] = page("# House\0 \u200brules\n\nBe kind.", kind="text/markdown")
    source = indexed(agent, site.url())
    assert (source.status, source.title) == ("ready", "House rules")


# --- What cannot be read ------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (
            page("Gone", status=404),
            "The page could not be read: its server answered 404.",
        ),
        (
            page("No", status=403),
            "The page could not be read: its server answered 403.",
        ),
        (page("", status=304), "The page could not be read: its server answered 304."),
        (page("%PDF", kind="application/pdf"), "neither HTML nor plain text"),
        (page("{}", kind="application/json"), "neither HTML nor plain text"),
        (page("\x7fELF", kind=""), "neither HTML nor plain text"),
        (page("x", kind="nonsense;;=\\"), "neither HTML nor plain text"),
        (page(""), "The page is empty"),
        (page("<nav>Home</nav><script>app()</script>"), "The page is empty"),
        (page("", status=204), "The page is empty"),
        (page("x" * (5 * 1024 * 1024 + 1)), "larger than 5 MB"),
        (page("x " * (MAX_CHARACTERS // 2 + 1), kind="text/plain"), "2,000,000"),
        (redirect("/"), "redirects more than 3 times"),
        (redirect("http://169.254.169.254/"), "This address is not allowed"),
    ],
)
def test_it_fails_for_good_with_a_sentence(
    agent: Agent, site: Site, broken: Page, sentence: str
) -> None:
    site.pages["/"] = broken

    source = indexed(agent, site.url())

    assert source.status == "failed"
    assert sentence in source.error
    assert source.error.endswith(".")
    assert source.pk not in indexing.sweep()


def test_an_address_that_was_allowed_once_is_refused_now(
    agent: Agent, site: Site, settings: Settings
) -> None:
    source = sources.add_url(agent, site.url())
    settings.OUTBOUND_ALLOW = Allowlist()
    indexing.index_source(source.pk)
    source.refresh_from_db()
    assert (source.status, source.error) == ("failed", outbound.NOT_THIS_PORT)
    assert site.connections == 0


def hang_up(visit: Visit) -> None:
    visit.close_connection = True


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (page("x", status=500), "its server answered 500."),
        (page("x", status=503), "its server answered 503."),
        (page("x", status=429), "its server answered 429."),
        (hang_up, outbound.NOT_REACHED),
    ],
)
def test_what_may_pass_is_tried_again_and_at_last_given_up(
    agent: Agent, site: Site, broken: Page, sentence: str
) -> None:
    site.pages["/"] = broken
    source = sources.add_url(agent, site.url())
    for attempt in range(1, indexing.MAX_ATTEMPTS):
        assert not indexing.index_source(source.pk)
        source.refresh_from_db()
        assert (source.status, source.attempts) == ("indexing", attempt)
        assert source.pk not in indexing.sweep()  # not at once
        make_due(source)

    assert not indexing.index_source(source.pk)

    source.refresh_from_db()
    assert source.status == "failed"
    assert source.error.endswith(sentence)


def test_a_site_that_comes_back_is_read(agent: Agent, site: Site) -> None:
    site.pages["/"] = page("x", status=503)
    source = indexed(agent, site.url())
    site.pages["/"] = page(SHIPPING)
    make_due(source)

    assert source.pk in indexing.sweep()
    assert indexing.index_source(source.pk)

    source.refresh_from_db()
    assert (source.status, source.attempts) == ("ready", 0)


def test_what_was_read_before_stays_while_a_page_cannot_be(
    agent: Agent, site: Site
) -> None:
    indexed(agent, site.url())
    site.pages["/"] = page("Gone", status=404)
    source = indexed(agent, site.url())
    assert source.status == "failed"
    assert Chunk.objects.filter(document__source=source).count() == 1


def test_a_source_without_an_address_fails_with_a_sentence(agent: Agent) -> None:
    source = Source.objects.create(
        workspace=agent.workspace, agent=agent, kind="url", title="Page"
    )
    indexing.index_source(source.pk)
    source.refresh_from_db()
    assert (source.status, source.error) == ("failed", outbound.NOT_A_URL)


# --- While it is fetched ------------------------------------------------------------


def test_no_transaction_is_open_while_a_page_is_fetched(
    committed: None, site: Site
) -> None:
    """Another thread can write to the very row, on SQLite too."""
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    source = Source.objects.create(  # and no worker is woken
        workspace=agent.workspace, agent=agent, kind="url", url=site.url("/slow")
    )
    asked, edited = threading.Event(), threading.Event()

    def slow(visit: Visit) -> None:
        asked.set()
        edited.wait(5)
        visit.give(SHIPPING)

    site.pages["/slow"] = slow

    def work() -> None:
        try:
            indexing.index_source(source.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert asked.wait(20)
    Source.objects.filter(pk=source.pk).update(question="Edited meanwhile")
    edited.set()
    worker.join()

    eventually(lambda: is_ready(source))  # a server's sweeper may have been faster
    assert source.question == "Edited meanwhile"


def test_a_title_given_while_the_page_is_fetched_stays(
    agent: Agent, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources.add_url(agent, site.url())
    read = web.text
    edits = ["Our shipping"]

    def edited_meanwhile(source: Source) -> str:
        text = read(source)
        if edits:
            Source.objects.filter(pk=source.pk).update(
                title=edits.pop(), content_version=2
            )
        return text

    monkeypatch.setattr(web, "text", edited_meanwhile)
    indexing.index_source(source.pk)

    source.refresh_from_db()
    assert (source.status, source.title) == ("ready", "Our shipping")
    assert source.documents.get(superseded_at=None).title == "Our shipping"
