"""A visitor's conversation is theirs by a token that only we can make."""

import time
from typing import Any

import pytest
from django.core import signing
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django import Settings

from contacts import visitors

DAY = 24 * 60 * 60


def test_it_works() -> None:
    token = visitors.token_for(41)
    assert visitors.holds(token, 41)
    assert len(token) <= visitors.LONGEST


def test_it_is_of_one_conversation() -> None:
    token = visitors.token_for(41)
    for other in (4, 1, 42, 141, 0, -41, 2**63):
        assert not visitors.holds(token, other)
    assert not visitors.holds(visitors.token_for(1), True)


def test_it_holds_for_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    token, now = visitors.token_for(41), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 30 * DAY - 60)
    assert visitors.holds(token, 41)
    monkeypatch.setattr(time, "time", lambda: now + 30 * DAY + 60)
    assert not visitors.holds(token, 41)


def test_it_goes_with_the_secret_key(settings: Settings) -> None:
    token = visitors.token_for(41)
    settings.SECRET_KEY = "x" * 50
    assert not visitors.holds(token, 41)


def test_nothing_else_that_we_sign_is_one() -> None:
    """Cursors, sessions and messages are signed under salts of their own."""
    assert not visitors.holds(signing.TimestampSigner().sign("41"), 41)
    assert not visitors.holds(signing.dumps(41), 41)


def test_a_forged_one_is_none() -> None:
    token = visitors.token_for(41)
    value, moment, signature = token.split(":")
    for forged in [
        "",
        "41",
        "::",
        f"42:{moment}:{signature}",
        f"41:zzzzzz:{signature}",
        f"41:{moment}:",
        f"41:{moment}:{signature[:-1]}",
        f"41:{moment}:{signature}x",
        f"41::{signature}",
        f"{token}\n",
        f" {token}",
        token.upper(),
        f"{token}{' ' * 1000}",
        "eyJhbGciOiJub25lIn0.eyJpZCI6NDF9.",
        "\ud800",
        "\0",
        "４１",
    ]:
        assert not visitors.holds(forged, 41), forged


@pytest.mark.parametrize("junk", [None, True, 41, 1.5, b"41", [], {}])
def test_what_is_no_text_is_none(junk: Any) -> None:
    assert not visitors.holds(junk, 41)


@profile(deadline=None)
@given(st.text(max_size=250))
def test_no_text_is_one_by_chance(text: str) -> None:
    assert not visitors.holds(text, 41)
