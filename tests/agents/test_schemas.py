"""Which JSON Schemas an action may have, and what an input does wrong by one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from agents.engine.schemas import (
    DRAFT,
    MAX_PARTS,
    MAX_VALUES,
    Flaw,
    check_schema,
    problems,
)

Schema = dict[str, Any]


def of(**keywords: Any) -> Schema:
    return {"type": "object", **keywords}


def nested(levels: int) -> Schema:
    schema: Schema = {}
    for _ in range(levels):
        schema = {"not": schema}
    return of(**schema)


def doubling(levels: int) -> Schema:
    """A schema of a few lines that stands for 2 ** levels."""
    steps = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)
    }
    return of(**{"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {}}})


@pytest.mark.parametrize(
    "schema",
    [
        of(),
        of(properties={"number": {"type": "string", "pattern": r"^\d{4,8}$"}}),
        of(
            properties={"at": {"$ref": "#/$defs/place"}},
            **{"$defs": {"place": {"enum": ["here", "there"]}}},
        ),
        # Parameters that are called like keywords.
        of(properties={"$id": {}, "$ref": {"type": "string"}, "pattern": {}}),
        of(**{"$schema": "https://json-schema.org/draft/2020-12/schema"}),
    ],
)
def test_it_works(schema: Schema) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ([], "must be a JSON object"),
        (None, "must be a JSON object"),
        ({}, "“type”: “object” at its top"),
        ({"type": "string"}, "“type”: “object” at its top"),
        ({"type": ["object"]}, "“type”: “object” at its top"),
        (of(properties=[]), "no JSON Schema at properties"),
        (of(properties={"a": {"type": "text"}}), "no JSON Schema at properties/a/type"),
        (of(properties={"a": {"pattern": 7}}), "no JSON Schema at properties/a"),
        (of(required="a"), "no JSON Schema at required"),
        (of(title="a" * 16_400), "larger than 16 KiB"),
        (nested(30), "nested deeper than 20 levels"),
        (nested(50_000), "nested deeper than 20 levels"),
        (of(title="\0"), "U+0000"),
        (of(title="\ud800"), "surrogate"),
        (of(title=10**5000), "64 bits"),
        (of(title=float("nan")), "JSON does not know"),
        (of(title=object()), "no JSON"),
        (of(**{"$schema": "http://json-schema.org/draft-07/schema#"}), "“$schema”"),
        (of(properties={"a": {"$ref": "https://x.example/"}}), "leads nowhere"),
        (of(properties={"a": {"$ref": "#/$defs/none"}}), "leads nowhere"),
        (of(properties={"a": {"$ref": "#"}}), "leads nowhere"),
        (of(properties={"a": {"$dynamicRef": "#a"}}), "“$dynamicRef” is not supported"),
        (of(properties={"a": {"$id": "x:y"}}), "“$id” is not supported"),
        (of(patternProperties={"a": {}}), "“patternProperties” is not supported"),
        # jsonschema would leave our patterns to that draft's, which are Python's.
        (of(properties={"a": {"$schema": DRAFT}}), "“$schema” may only stand at the"),
        (of(**{"$defs": {"a": {"$schema": DRAFT}}}), "“$schema” may only stand at the"),
        (of(unevaluatedProperties=False), "“unevaluatedProperties” is not supported"),
        (
            of(**{"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}),
            "leads back to itself",
        ),
        (doubling(40), f"more than {MAX_PARTS} parts"),
        (
            of(properties={f"a{n}": {} for n in range(MAX_PARTS)}),
            f"more than {MAX_PARTS} parts",
        ),
        (of(properties={"a": {"pattern": "("}}), "The pattern ( cannot be used"),
        (of(properties={"a": {"pattern": "(" * 5000}}), "cannot be used"),
        (of(properties={"a": {"pattern": "(?=a)"}}), "no look-around"),
        (of(properties={"a": {"pattern": r"(a)\1"}}), "no back-references"),
        (of(properties={"a": {"pattern": "((a{999}){999}){999}"}}), "cannot be used"),
        # Half a second, and megabytes as long as it is remembered.
        (of(properties={"a": {"pattern": r"\pL{300}"}}), "cannot be used"),
    ],
)
def test_a_schema_that_is_not_taken_says_why(schema: Any, why: str) -> None:
    with pytest.raises(Flaw) as raised:
        check_schema(schema)
    assert why in str(raised.value)
    assert len(str(raised.value)) < 400


ORDER = of(
    properties={
        "number": {"type": "string", "pattern": r"^\d{4,8}$"},
        "mail": {"type": "string", "format": "email"},
        "day": {"type": "string", "format": "date"},
        "items": {"type": "array", "uniqueItems": True},
    },
    required=["number"],
    additionalProperties=False,
)


def test_an_input_that_fits() -> None:
    check_schema(ORDER)
    assert problems(ORDER, {"number": "1234", "mail": "a@b.example"}) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "must be a JSON object"),
        ([], "must be a JSON object"),
        ({}, "'number' is a required property"),
        ({"number": 1234}, "number: 1234 is not of type 'string'"),
        ({"number": "12"}, "number: '12' does not match"),
        ({"number": "1234\n"}, "does not match"),  # Python's $ would let it pass
        ({"number": "١٢٣٤"}, "does not match"),
        ({"number": "1234", "mail": "nobody"}, "mail: 'nobody' is not a 'email'"),
        ({"number": "1234", "day": "tomorrow"}, "day: 'tomorrow' is not a 'date'"),
        ({"number": "1234", "more": 1}, "Additional properties are not allowed"),
        ({"number": "\0"}, "U+0000"),
        ({"number": "\udfff"}, "surrogate"),
        ({"number": 2**63}, "64 bits"),
        ({"number": float("inf")}, "JSON does not know"),
        ({"number": "1" * 16_400}, "larger than 16 KiB"),
        ({"items": list(range(MAX_VALUES))}, f"more than {MAX_VALUES} values"),
        ({"items": nested(30)}, "nested deeper than 20 levels"),
        ({"items": nested(50_000)}, "nested deeper than 20 levels"),
    ],
)
def test_an_input_that_does_not_fit_says_why(value: Any, problem: str) -> None:
    (first, *_) = problems(ORDER, value)
    assert problem in first
    assert len(first) <= 200


def test_a_pattern_that_backtracks_holds_nobody_up() -> None:
    """Python's own re would be busy for years."""
    schema = of(properties={"a": {"type": "string", "pattern": r"^(a+)+(a|aa)*$"}})
    check_schema(schema)
    assert problems(schema, {"a": "a" * 10_000 + "!"})


def test_a_few_problems_are_enough() -> None:
    schema = of(additionalProperties={"type": "string"})
    assert len(problems(schema, {str(n): n for n in range(100)})) == 5


WORDS = some.sampled_from(
    [
        *("type", "properties", "items", "enum", "const", "pattern", "format"),
        *("required", "anyOf", "oneOf", "not", "minimum", "multipleOf", "maxLength"),
        *("additionalProperties", "uniqueItems", "object", "string", "a"),
    ]
)
JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text()
    | WORDS,
    lambda some_json: (
        some.lists(some_json, max_size=4)
        | some.dictionaries(WORDS, some_json, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(JSON, JSON, JSON)
def test_whatever_is_written_there_is_an_answer(
    properties: Any, part: Any, value: Any
) -> None:
    for schema in (properties, of(properties=properties), of(properties={"a": part})):
        try:
            check_schema(schema)
        except Flaw:
            continue
        assert all(problems(schema, {"a": value}))  # sentences, or none
