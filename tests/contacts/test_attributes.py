"""What a value of a custom attribute is read as."""

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models import Agent
from contacts import attributes
from contacts.attributes import fit
from contacts.models import CustomAttribute

NOTHING = object()  # it does not fit


def read(type: str, value: Any, **more: Any) -> Any:
    attribute = CustomAttribute(name="a", type=type, **more)
    kept, flaws = fit({"a": value}, {"a": attribute})
    assert (len(kept), len(flaws)) in ((1, 0), (0, 1))
    return kept.get("a", NOTHING)


@pytest.mark.parametrize(
    ("type", "value", "kept"),
    [
        ("text", "pro", "pro"),
        ("text", "", ""),
        ("text", 5, NOTHING),
        ("text", True, NOTHING),
        ("text", ["a"], NOTHING),
        ("number", 5, 5),
        ("number", -1.5, -1.5),
        ("number", 0, 0),
        ("number", "5", NOTHING),
        ("number", "", NOTHING),
        ("number", "NaN", NOTHING),
        ("number", True, NOTHING),
        ("number", {}, NOTHING),
        ("boolean", True, True),
        ("boolean", False, False),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", 0, False),
        ("boolean", 1, True),
        ("boolean", "TRUE\n", NOTHING),
        ("boolean", "yes", NOTHING),
        ("boolean", 2, NOTHING),
        ("boolean", "1", NOTHING),
        ("boolean", "", NOTHING),
        ("boolean", [], NOTHING),
        ("boolean", {}, NOTHING),
        ("date", "2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("date", "2026-11-22T07:08:09Z", "2026-11-22T07:08:09.000Z"),
        ("date", "2026-11-22T07:08:09.1234567Z", "2026-11-22T07:08:09.123Z"),
        ("date", "2026-11-22T07:08:09+02:00", "2026-11-22T05:08:09.000Z"),
        ("date", "2026-11-22 07:08", "2026-11-22T07:08:00.000Z"),
        ("date", "2024-02-29", "2024-02-29T00:00:00.000Z"),
        ("date", "2026-02-29", NOTHING),
        ("date", "0000-01-01", NOTHING),
        ("date", "0001-01-01T00:00:00+14:00", NOTHING),
        ("date", "9999-12-31T23:59:59-01:00", NOTHING),
        ("date", "2026-11-22\n", NOTHING),
        ("date", "22.11.2026", NOTHING),
        ("date", "٢٠٢٦-11-22", NOTHING),
        ("date", "2026-11-22T07:08:09+99:99", NOTHING),
        ("date", 1784712000, NOTHING),
        ("date", "", NOTHING),
    ],
)
def test_a_value_is_read_as_its_type(type: str, value: Any, kept: Any) -> None:
    read_as = read(type, value)
    if kept is NOTHING:
        assert read_as is NOTHING
    else:
        assert json.dumps(read_as) == json.dumps(kept)


@pytest.mark.parametrize("type", ["text", "number", "boolean", "date"])
def test_null_fits_everywhere(type: str) -> None:
    assert read(type, None) is None
    assert read(type, None, archived=True) is None
    assert read(type, "2026-11-22", archived=True) is NOTHING


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(SOME_JSON, st.sampled_from(["text", "number", "boolean", "date"]))
def test_what_is_kept_is_read_as_itself(value: Any, type: str) -> None:
    kept = read(type, value)
    if kept is not NOTHING:
        assert json.dumps(read(type, kept)) == json.dumps(kept)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), SOME_JSON, max_size=8))
def test_what_is_not_defined_is_kept_as_it_is(values: dict[str, Any]) -> None:
    assert fit(values, {}) == (values, [])


@pytest.mark.django_db
def test_a_name_is_defined_once(agent: Agent) -> None:
    attributes.define(agent, name="plan", label="Plan")
    with pytest.raises(attributes.Duplicate):
        attributes.define(agent, name="plan", label="Another")
    attributes.define(agent, name="Plan", label="Case counts")
    other = Agent.objects.create(workspace=agent.workspace, name="Other")
    attributes.define(other, name="plan", label="Plan")


@pytest.mark.django_db
def test_there_are_not_too_many(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MOST", 1)
    attributes.define(agent, name="a", label="A")
    with pytest.raises(attributes.TooMany):
        attributes.define(agent, name="b", label="B")
    assert connection.in_atomic_block
    assert set(attributes.schema_of(agent)) == {"a"}
