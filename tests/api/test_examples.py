"""What the OpenAPI documents tell people and generators of each operation."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from bookbag.api.renderers import to_json
from bookbag.api.schema import document

JSON = "application/json"
FORM = "multipart/form-data"
STREAM = "text/event-stream"
DOCUMENTS: dict[str, dict[str, Any]] = {
    version: orjson.loads(to_json(document(version))) for version in ("v1", "v2")
}
OPERATIONS: dict[str, dict[str, dict[str, Any]]] = {
    version: {
        operation.get("operationId", f"{method} {path}"): operation
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    for version, described in DOCUMENTS.items()
}
each_document = pytest.mark.parametrize("version", DOCUMENTS)
each_operation = pytest.mark.parametrize(
    ("version", "name"),
    [(v, name) for v in DOCUMENTS for name in sorted(OPERATIONS[v])],
)


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Whose body, its media type, and what is said of it: request and success."""
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        if media_type != FORM:  # a file is no example in JSON
            yield "request", media_type, body
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            for media_type, body in answer["content"].items():
                yield status, media_type, body


def validator(schema: dict[str, Any], version: str = "v2") -> Draft202012Validator:
    whole = {**schema, "components": DOCUMENTS[version]["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def frames(stream: str) -> list[str]:
    """What stands on a stream's `data` lines."""
    lines = stream.splitlines()
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


@each_document
def test_the_document_is_valid(version: str) -> None:
    assert DOCUMENTS[version]["openapi"] == "3.1.1"
    assert list(OpenAPIV31SpecValidator(DOCUMENTS[version]).iter_errors()) == []


@each_document
def test_operations_have_names_of_their_own(version: str) -> None:
    paths = DOCUMENTS[version]["paths"]
    count = sum(len(operations) for operations in paths.values())
    assert len(OPERATIONS[version]) == count


@each_document
def test_components_have_names_that_stay(version: str) -> None:
    """None that the generator made up, of a hash or because there were two."""
    for name in DOCUMENTS[version]["components"]["schemas"]:
        assert re.fullmatch(r"(V1)?([A-Z]+[a-z]+)+", name), name
        assert not name.endswith("Enum"), name


@each_operation
def test_every_operation_is_named_and_filed(version: str, name: str) -> None:
    operation = OPERATIONS[version][name]
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)
    assert operation["summary"]
    tags = [tag["name"] for tag in DOCUMENTS[version]["tags"] if tag["description"]]
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in tags
    for answer in operation["responses"].values():
        assert answer["description"]
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", parameter["name"])
        # Headers that have a place of their own in a document.
        assert parameter["name"] not in ("Accept", "Content-Type", "Authorization")
    assert operation.get("requestBody", {"required": True})["required"]


@each_operation
def test_every_body_has_examples_that_fit_its_schema(version: str, name: str) -> None:
    seen = []
    for whose, media_type, body in bodies(OPERATIONS[version][name]):
        where = f"{name} {whose} {media_type}"
        examples = [one["value"] for one in body.get("examples", {}).values()]
        assert examples, f"{where} has no example"
        for example in examples:
            errors = [*validator(body["schema"], version).iter_errors(example)]
            assert errors == [], where
        seen.append(whose)
    assert {"200", "202"} & set(seen)


def test_an_example_that_does_not_fit_would_be_seen() -> None:
    schema = OPERATIONS["v2"]["listMessages"]["responses"]["200"]["content"][JSON][
        "schema"
    ]
    page = {"cursor": None, "hasMore": False, "total": 0}
    assert validator(schema).is_valid({"data": [], "pagination": page})
    assert not validator(schema).is_valid({"data": [{}], "pagination": page})


@pytest.mark.parametrize(
    ("name", "media_types"),
    [
        ("chat", {JSON, STREAM}),
        ("retryReply", {JSON, STREAM}),
        ("resumeReply", {STREAM}),
        ("followConversation", {JSON, STREAM}),
        ("createChatCompletion", {JSON, STREAM}),
        ("exportConversations", {JSON, "application/x-ndjson"}),
    ],
)
def test_what_streams_says_so(name: str, media_types: set[str]) -> None:
    content = OPERATIONS["v2"][name]["responses"]["200"]["content"]
    assert set(content) == media_types
    for example in content.get(STREAM, {}).get("examples", {}).values():
        *events, last = frames(example["value"])
        if name == "followConversation":
            events.append(last)
        else:
            assert last == "[DONE]"
        assert all(isinstance(orjson.loads(event), dict) for event in events)


def test_lines_and_events_are_what_the_pages_have() -> None:
    conversation = {"$ref": "#/components/schemas/ConversationWithMessages"}
    export = OPERATIONS["v2"]["exportConversations"]["responses"]["200"]["content"]
    (line,) = export["application/x-ndjson"]["examples"].values()
    validator(conversation).validate(orjson.loads(line["value"]))
    event = {"$ref": "#/components/schemas/ConversationEvent"}
    follow = OPERATIONS["v2"]["followConversation"]["responses"]["200"]["content"]
    (stream,) = follow[STREAM]["examples"].values()
    for data in frames(stream["value"]):
        validator(event).validate(orjson.loads(data))
