"""An agent answers to the sites that its widget lists, if it was told to be choosy."""

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django import Settings

from agents import sites
from agents.models import Widget


def choosy(*domains: object) -> Widget:
    return Widget(only_allowed_domains=True, domains=list(domains))


@pytest.fixture(autouse=True)
def base_url(settings: Settings) -> None:
    settings.BASE_URL = "https://bookbag.example:8443"


@pytest.mark.parametrize("origin", [None, "null", "", "https://anywhere.example"])
def test_without_a_list_every_site_will_do(origin: str | None) -> None:
    assert sites.is_allowed(None, origin)
    assert sites.is_allowed(Widget(), origin)
    assert sites.is_allowed(Widget(domains=["shop.example"]), origin)


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        ("shop.example", "https://shop.example"),
        ("shop.example", "http://shop.example"),
        ("shop.example", "https://shop.example:8080"),
        ("shop.example", "HTTPS://SHOP.Example"),
        ("shop.example", "https://shop.example."),
        ("Shop.Example", "https://shop.example"),
        ("www.shop.example", "https://www.shop.example"),
        ("*.shop.example", "https://www.shop.example"),
        ("*.shop.example", "https://a.b.shop.example:99"),
        ("localhost", "http://localhost:3000"),
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("*.bücher.example", "https://www.xn--bcher-kva.example"),
    ],
)
def test_a_listed_site_will_do_on_any_port(listed: str, origin: str) -> None:
    assert sites.is_allowed(choosy("other.example", listed), origin)


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        ("shop.example", "https://www.shop.example"),
        ("shop.example", "https://notshop.example"),
        ("shop.example", "https://shop.example.evil.example"),
        ("*.shop.example", "https://shop.example"),
        ("*.shop.example", "https://notshop.example"),
        ("*.shop.example", "https://.shop.example.evil.example"),
        ("*", "https://shop.example"),
        ("*.", "https://shop.example"),
        ("", "https://shop.example"),
        (".", "https://."),
        (None, "https://shop.example"),
        (7, "https://7"),
        (["shop.example"], "https://shop.example"),
        ("a" * 300, "https://shop.example"),
        ("a..b", "https://a..b"),
    ],
)
def test_no_other_site_will(listed: object, origin: str) -> None:
    assert not sites.is_allowed(choosy(listed), origin)


@pytest.mark.parametrize(
    "junk",
    [
        None,
        "",
        "null",
        "shop.example",
        "//shop.example",
        "https://",
        "https:///shop.example",
        "https://shop.example/",
        "https://shop.example/path",
        "https://shop.example\n",
        " https://shop.example",
        "https://shop.example https://evil.example",
        "https://evil.example, https://shop.example",
        "https://evil.example@shop.example",
        "https://shop.example:",
        "https://shop.example:x",
        "https://shop.example:123456",
        "https://shop.example?",
        "https://shop.example#",
        "file://shop.example",
        "capacitor://shop.example",
        "https://shop.example\0",
        "https://shop\uff0eexample",
        "https://[shop.example]",
        "\ud800",
    ],
)
def test_what_is_no_origin_is_no_site(junk: str | None) -> None:
    assert not sites.is_allowed(choosy("shop.example", "*.example", "null"), junk)


def test_nobody_is_on_an_empty_list() -> None:
    assert not sites.is_allowed(choosy(), "https://shop.example")


def test_our_own_pages_always_are(settings: Settings) -> None:
    assert sites.is_allowed(choosy(), "https://bookbag.example:8443")
    # Whoever has another port of our host is somebody else.
    assert not sites.is_allowed(choosy(), "https://bookbag.example")
    assert not sites.is_allowed(choosy(), "http://bookbag.example:8443")
    settings.BASE_URL = "https://bookbag.example"
    assert sites.is_allowed(choosy(), "https://bookbag.example")
    assert sites.is_allowed(choosy(), "https://bookbag.example:443")
    settings.BASE_URL = "http://[::1]:8000"
    assert sites.is_allowed(choosy(), "http://[::1]:8000")


@profile(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(listed: str, origin: str) -> None:
    """Only a plain origin is ever allowed."""
    if sites.is_allowed(choosy(listed), origin):
        assert origin.startswith("http")


def test_a_name_is_not_taken_for_another() -> None:
    """`straße` is no `strasse`: they may be two people's."""
    widget = choosy("straße.example")
    assert sites.is_allowed(widget, "https://xn--strae-oqa.example")
    assert not sites.is_allowed(widget, "https://strasse.example")
