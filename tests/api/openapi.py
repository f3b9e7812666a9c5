"""Answers, held against the document that describes them."""

import re
from typing import Any

import orjson
from jsonschema import Draft202012Validator

from bookbag.api.renderers import to_json
from bookbag.api.schema import document


def check_response(response: Any, method: str, path: str) -> None:
    """Status, media type, headers and body are as the OpenAPI document says.

    Takes answers of Django's test client and of httpx. AssertionError.
    """
    version = "v1" if path.startswith("/api/v1/") else "v2"
    described = orjson.loads(to_json(document(version)))
    answers = _operation(described, method, path)["responses"]
    status = str(response.status_code)
    assert status in answers, f"{method} {path} does not document {status}"
    for name, header in answers[status].get("headers", {}).items():
        present = name in response.headers
        assert present or not header.get("required"), f"{name} is missing"
    media_type = response.headers["Content-Type"].partition(";")[0]
    content = answers[status]["content"]
    assert media_type in content, f"{media_type} is not among {list(content)}"
    if media_type == "application/json":
        schema = {
            **content[media_type]["schema"],
            "components": described["components"],
        }
        Draft202012Validator(schema).validate(response.json())


def _operation(described: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    # Of `…/conversations/export` and `…/conversations/{id}` the former.
    plainest = sorted(described["paths"].items(), key=lambda one: one[0].count("{"))
    for template, operations in plainest:
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path.partition("?")[0]):
            return operations[method.lower()]
    raise AssertionError(f"{path} is not documented")
