"""Days behind the question mark: whole, of UTC, both ends included."""

import datetime as dt

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request

from bookbag.api.errors import InvalidBody
from bookbag.api.query import day, whole_days


def asked(query: str) -> Request:
    return Request(RequestFactory().get(f"/?{query}"))


def test_it_works() -> None:
    request = asked("startDate=2026-01-31&endDate=2026-02-28")
    start, end = day(request, "startDate"), day(request, "endDate")
    assert (start, end) == (dt.date(2026, 1, 31), dt.date(2026, 2, 28))
    assert whole_days(start, end) == (
        dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    )


def test_there_may_be_no_bound() -> None:
    assert day(asked("other=2026-01-31"), "startDate") is None
    assert whole_days(None, None) == (None, None)
    assert whole_days(dt.date.min, dt.date.max)[1] is None
    assert whole_days(dt.date.min, None)[0] == dt.datetime.min.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "junk",
    [
        "today",
        "20260131",
        "2026-1-31",
        "2026-02-30",
        "2026-13-01",
        "0000-01-01",
        "10000-01-01",
        "2026-W05-6",
        "2026-01-31T00:00:00Z",
        "2026-01-31 ",
        "2026-01-31%0A",
        "2026-01-31%00",
        "٢٠٢٦-٠١-٣١",
        "-2026-01-31",
        "1769817600",
    ],
)
def test_what_is_no_day_is_refused(junk: str) -> None:
    with pytest.raises(InvalidBody) as refusal:
        day(asked(f"startDate={junk}"), "startDate")
    assert set(refusal.value.details) == {"startDate"}


def test_an_empty_day_is_none() -> None:
    assert day(asked("startDate="), "startDate") is None


def test_a_day_is_given_once() -> None:
    with pytest.raises(InvalidBody):
        day(asked("startDate=2026-01-31&startDate=2026-01-31"), "startDate")


@given(st.text(max_size=12))
def test_no_text_breaks_it(text: str) -> None:
    query = QueryDict(mutable=True)
    query["startDate"] = text
    try:
        found = day(asked(query.urlencode()), "startDate")
    except (InvalidBody, UnicodeEncodeError):
        return
    assert (found.isoformat() if found else "") == text


@given(st.dates(), st.dates(), st.datetimes(timezones=st.just(dt.UTC)))
def test_a_moment_lies_in_whole_days(
    start: dt.date, end: dt.date, moment: dt.datetime
) -> None:
    since, before = whole_days(start, end)
    assert since is not None
    inside = since <= moment and (before is None or moment < before)
    assert inside == (start <= moment.date() <= end)
