"""JSON Schemas of tools: which ones are taken, and what an input does wrong by one.

Both sides are written by others: the schema by a customer, the input by a model that
has read what a visitor wrote. So neither may cost much, whatever it says. Sizes are
capped; the parts of a schema, each counted as often as it is referred to, are capped
too; patterns run in RE2, whose time grows with the text and not with the pattern.
"""

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import re2
from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import SchemaError, ValidationError, best_match

MAX_SCHEMA_BYTES = 16 * 1024
MAX_PARTS = 500  # subschemas, each counted as often as a $ref leads to it
MAX_INPUT_BYTES = 16 * 1024
MAX_VALUES = 500
MAX_DEPTH = 20
# Bytes that RE2 may spend on one pattern. By its own measure, 8 MiB, a pattern of seven
# characters takes half a second and stays in memory.
MAX_PATTERN_MEMORY = 256 * 1024
PATTERN_WEIGHT = 20  # parts: a pattern takes up to so many times as long to check
MOST_PROBLEMS = 5  # that are told of one input
LONGEST_PROBLEM = 200  # characters: jsonschema quotes the whole value
DRAFT = "https://json-schema.org/draft/2020-12/schema"
FORMATS = ("date", "email", "ipv4", "ipv6", "uuid")  # those that are held to
INT64 = range(-(2**63), 2**63)

_SUBSCHEMA = (
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
)
_SUBSCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SUBSCHEMA_DICTS = ("dependentSchemas", "properties")
# They rename, load or look again at what has been looked at, at any depth.
_REFUSED = {
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveRef",
    "$vocabulary",
    "patternProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_LOCAL = re.compile(r"#/\$defs/([A-Za-z0-9_.-]+)")
_BARE_FORMATS = FormatChecker(formats=())
_FORMATS = FormatChecker(formats=FORMATS)


class Flaw(ValueError):
    """Why a schema is not taken, in a sentence."""


def check_schema(schema: object) -> None:
    """Raises Flaw where a tool cannot have these parameters."""
    if not isinstance(schema, dict):
        raise Flaw("The parameters must be a JSON object: a JSON Schema.")
    if problem := _unfit(schema, most_bytes=MAX_SCHEMA_BYTES):
        raise Flaw(f"The schema {problem}.")
    if schema.get("type") != "object":
        raise Flaw("The schema needs “type”: “object” at its top.")
    if schema.get("$schema", DRAFT) != DRAFT:
        raise Flaw(f"Leave “$schema” out, or make it {DRAFT}.")
    try:
        # Without formats: the one for patterns would ask Python's re, not RE2.
        Draft202012Validator.check_schema(schema, format_checker=_BARE_FORMATS)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        where = f" at {place}" if place else ""
        raise Flaw(f"This is no JSON Schema{where}: {_short(error.message)}") from None
    _survey(schema)


def problems(schema: dict[str, Any], value: object) -> list[str]:
    """What is wrong with an input by a schema that `check_schema` has passed."""
    if not isinstance(value, dict):
        return ["The input must be a JSON object."]
    if problem := _unfit(value, most_bytes=MAX_INPUT_BYTES, most_values=MAX_VALUES):
        return [f"The input {problem}."]
    validator = _Validator(schema, format_checker=_FORMATS)
    found = []
    for error in validator.iter_errors(value):
        # Of "none of these fits" the likeliest one is the news.
        cause = best_match([error]) or error
        place = ".".join(map(str, cause.absolute_path))
        found.append(_short(f"{place}: {cause.message}" if place else cause.message))
        if len(found) == MOST_PROBLEMS:
            break
    return found


def weight(value: object) -> int:
    """About how many parts a schema has to check. It is quick, whatever the value."""
    found = 0
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found += PATTERN_WEIGHT if "pattern" in one else 1
            left += one.values()
        elif isinstance(one, list):
            left += one
        elif isinstance(one, bool):
            found += 1
    return found


@lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """A customer's pattern, compiled. Raises Flaw."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise Flaw(
            f"The pattern {_short(text, 60)} cannot be used: {_reason(error)}. Patterns"
            " are RE2's: no look-around, no back-references."
        ) from None


def _survey(root: dict[str, Any]) -> None:
    """Visits every part as often as a value might be held against it. Raises Flaw."""
    visits = 0

    def visit(schema: object, trail: frozenset[str]) -> None:
        nonlocal visits
        visits += 1
        if visits > MAX_PARTS:
            raise Flaw(
                f"The schema has more than {MAX_PARTS} parts, each counted as often as"
                " it is referred to."
            )
        if not isinstance(schema, dict):
            return  # true or false
        for keyword in sorted(_REFUSED & schema.keys()):
            raise Flaw(f"“{keyword}” is not supported here.")
        if "$schema" in schema and schema is not root:
            # jsonschema would go on with that draft's own validator, and Python's re.
            raise Flaw("“$schema” may only stand at the top.")
        if "pattern" in schema:
            pattern(schema["pattern"])
        if "$ref" in schema:
            name = _definition(root, schema["$ref"])
            if name in trail:
                raise Flaw(f"“{schema['$ref']}” leads back to itself.")
            visit(root["$defs"][name], trail | {name})
        for child in _children(schema):
            visit(child, trail)
        for name, child in schema.get("$defs", {}).items():
            visit(child, trail | {name})

    visit(root, frozenset())


def _children(schema: dict[str, Any]) -> Iterator[object]:
    for keyword in _SUBSCHEMA:
        if keyword in schema:
            yield schema[keyword]
    for keyword in _SUBSCHEMA_LISTS:
        yield from schema.get(keyword, [])
    for keyword in _SUBSCHEMA_DICTS:
        yield from schema.get(keyword, {}).values()


def _definition(root: dict[str, Any], ref: str) -> str:
    """The name that a $ref leads to. Raises Flaw."""
    local = _LOCAL.fullmatch(ref)
    if local is None or local[1] not in root.get("$defs", {}):
        raise Flaw(
            f"“{_short(ref, 60)}” leads nowhere: a $ref may only name what stands"
            " in the schema's own $defs, as #/$defs/name."
        )
    return local[1]


def _unfit(
    value: object, *, most_bytes: int, most_values: int | None = None
) -> str | None:
    """Why a JSON value cannot be kept or is too much to look at."""
    level: list[object] = [value]
    count = 0
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for item in level:
            count += 1
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            elif problem := unstorable(item):
                return problem
        if most_values is not None and count > most_values:
            return f"holds more than {most_values} values"
        if not below:
            break
        level = below
    else:
        return f"is nested deeper than {MAX_DEPTH} levels"
    if len(json.dumps(value, ensure_ascii=False).encode()) > most_bytes:
        return f"is larger than {most_bytes // 1024} KiB"
    return None


def unstorable(item: object) -> str | None:
    """What one of the databases would refuse, or the other change."""
    if isinstance(item, str):
        if "\0" in item:
            return "contains the character U+0000"
        if not item.isascii() and any("\ud800" <= char <= "\udfff" for char in item):
            return "contains half of a surrogate pair, which is no text"
    elif isinstance(item, bool) or item is None:
        return None
    elif isinstance(item, int):
        if item not in INT64:
            return "contains a number that does not fit into 64 bits"
    elif isinstance(item, float):
        if not math.isfinite(item):
            return "contains a number that JSON does not know"
    else:
        return f"contains a {type(item).__name__}, which is no JSON"
    return None


def _holds_to_pattern(
    validator: Any, text: str, instance: object, schema: object
) -> Iterator[Any]:
    if isinstance(instance, str) and not pattern(text).search(instance):
        yield ValidationError(f"{instance!r} does not match {text!r}")


_Validator = validators.extend(Draft202012Validator, {"pattern": _holds_to_pattern})


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else error
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return _short(text, 60)


def _short(text: str, most: int = LONGEST_PROBLEM) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
