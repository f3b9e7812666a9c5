"""The OpenAPI documents, one for each version: what all endpoints have in common, and
how one is described."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers

from bookbag.api.errors import CODES, OPT_IN_CODES
from bookbag.api.idempotency import HEADER, REPLAYED


@extend_schema_field(
    {"type": "string", "enum": [*CODES, *OPT_IN_CODES]}, component_name="ErrorCode"
)
class ErrorCodeField(serializers.Field):
    """A component of its own, for clients to name."""


class ErrorDetailSerializer(serializers.Serializer):
    code = ErrorCodeField(help_text="Stable: programs may rely on it.")
    message = serializers.CharField(help_text="For people: what happened, what to do.")
    details = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="Where fields are to blame: which, and why.",
    )


class ErrorSerializer(serializers.Serializer):
    """Every error of the API."""

    error = ErrorDetailSerializer()


class IssueSerializer(serializers.Serializer):
    field = serializers.CharField(help_text="Such as `users.3.email`; or `body`.")
    message = serializers.CharField()


class ChatbaseErrorSerializer(serializers.Serializer):
    """An error of API v1, as Chatbase words it."""

    message = serializers.CharField()
    issues = IssueSerializer(
        many=True, required=False, help_text="What is wrong with the request."
    )


class FailureDetailSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable: programs may rely on it.")
    message = serializers.CharField(help_text="For people: what happened, what to do.")
    details = serializers.DictField(child=serializers.CharField(), required=False)


class FailureSerializer(serializers.Serializer):
    """An error of those parts of API v1 that are Bookbag's own."""

    success = serializers.BooleanField(help_text="Always false.")
    error = FailureDetailSerializer()


REASONS = {
    400: "The request is not valid.",
    401: "The API key is missing or opens nothing.",
    403: "The API key may not do that.",
    404: "There is no such thing here, or it is not yours.",
    405: "This address does not know that method.",
    406: "The Accept header refuses JSON.",
    408: "The body took too long to arrive.",
    409: "The conversation is still being answered, or a request with this"
    " Idempotency-Key is still being worked on.",
    413: "The body is too large.",
    415: "The body is not declared as what is asked for here.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests; `Retry-After` says when to come back.",
    500: "Something went wrong on our side.",
    503: "Not available right now; `Retry-After` says when to come back.",
}
EVERYWHERE = (405, 406, 429, 500, 503)
KEYED = (401, 403, 404)
WITH_BODY = (400, 408, 413, 415)

HEADERS = [
    OpenApiParameter(
        "x-request-id",
        str,
        OpenApiParameter.HEADER,
        response=True,
        description="Names this request in our logs.",
    ),
    OpenApiParameter(
        "X-RateLimit-Limit",
        int,
        OpenApiParameter.HEADER,
        response=True,
        description="Requests in any window.",
    ),
    OpenApiParameter(
        "X-RateLimit-Remaining",
        int,
        OpenApiParameter.HEADER,
        response=True,
        description="Requests left in the current window.",
    ),
    OpenApiParameter(
        "X-RateLimit-Reset",
        int,
        OpenApiParameter.HEADER,
        response=True,
        description="Unix seconds: from then on the window is empty.",
    ),
    OpenApiParameter(
        "Retry-After",
        int,
        OpenApiParameter.HEADER,
        response=[429, 503],
        description="Seconds to wait.",
    ),
]


def path_parameter(name: str, description: str, kind: Any = str) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.PATH, description=description, required=True
    )


AGENT_ID = path_parameter(
    "agent_id",
    "The agent's id: the dashboard shows it.",
    {"type": "integer", "minimum": 1},
)


# Marks an operation that may be asked for without a key.
_OPTIONAL_KEY = "x-optional-key"


def documented(
    summary: str,
    *,
    answers: Mapping[Any, Any],
    request: Any = None,
    errors: Iterable[int] = (),
    description: str = "",
    parameters: Iterable[Any] = (),
    keyed: bool = True,
    optional_key: bool = False,
    tags: Iterable[str] = (),
    operation_id: str | None = None,
    error: Any = ErrorSerializer,
) -> Callable[[Any], Any]:
    """Writes a handler's every status, its errors and headers into the document.

    `answers` is what succeeds: a status, or a pair of status and media type, and a
    serializer. Errors that every endpoint has need not be named; `error` is the shape
    of all.
    """
    statuses = {*EVERYWHERE, *errors}
    statuses.update(KEYED if keyed else ())
    statuses.update(WITH_BODY if request is not None else ())
    responses: dict[Any, Any] = dict(answers)
    for status in sorted(statuses):
        responses[status] = OpenApiResponse(error, REASONS[status])
    return extend_schema(
        summary=summary,
        # Never the docstring of a class: that one is written for us.
        description=description or f"{summary}.",
        request=request,
        responses=responses,
        parameters=[*parameters, *HEADERS],
        tags=list(tags) or None,
        operation_id=operation_id,
        auth=None if keyed else [],
        extensions={_OPTIONAL_KEY: True} if optional_key else None,
    )


VERSIONS = {
    "v2": {
        "title": "Bookbag API",
        "version": "2",
        "description": "Chat with agents that answer from your own knowledge.",
    },
    "v1": {
        "title": "Bookbag API v1",
        "version": "1",
        "description": "For programs that were written for Chatbase, and for the"
        " widget. What is new is written for API v2.",
    },
}
V1 = "/api/v1/"


class _Generator(SchemaGenerator):
    """The endpoints of one version."""

    def __init__(self, *args: Any, version: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version = version

    def _get_paths_and_endpoints(self) -> list[tuple[str, str, str, Any]]:
        return [
            endpoint
            for endpoint in super()._get_paths_and_endpoints()
            if endpoint[0].startswith(V1) == (self.version == "v1")
        ]


@functools.cache
def document(version: str = "v2") -> dict[str, Any]:
    """A version's OpenAPI document; routes do not change while a process lives."""
    generator = _Generator(version=version)
    described = generator.get_schema(request=None, public=True)
    described["info"] |= VERSIONS[version]
    spoken_of = {
        tag
        for operations in described["paths"].values()
        for operation in operations.values()
        for tag in operation.get("tags", [])
    }
    described["tags"] = [tag for tag in described["tags"] if tag["name"] in spoken_of]
    described["paths"] = {
        _camel(path): operations for path, operations in described["paths"].items()
    }
    for operations in described["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["name"] = _camel(parameter["name"])
            if "requestBody" in operation:
                # Also where no single field of it is.
                operation["requestBody"]["required"] = True
            if operation.pop(_OPTIONAL_KEY, False):
                operation["security"] = [*operation["security"], {}]
        if "post" in operations:
            _document_idempotency(operations["post"])
    components: dict[str, Any] = {}
    described = _with_components(described, components)
    described["components"].setdefault("schemas", {}).update(components)
    return described


def _with_components(node: Any, components: dict[str, Any]) -> Any:
    """Objects that were written with a `title` become components of that name."""
    if isinstance(node, list):
        return [_with_components(one, components) for one in node]
    if not isinstance(node, dict):
        return node
    found = {
        name: value if name == "examples" else _with_components(value, components)
        for name, value in node.items()
        if name != "x-spec-enum-id"  # the generator's own note
    }
    if found.get("type") != "object" or not isinstance(found.get("title"), str):
        return found
    title = found.pop("title")
    if components.setdefault(title, found) != found:
        raise ValueError(f"There are two components of the name {title}.")
    return {"$ref": f"#/components/schemas/{title}"}


def _camel(name: str) -> str:
    """As fields of bodies and queries are spelled; routes are in Python's spelling."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _document_idempotency(post: dict[str, Any]) -> None:
    """Every keyed POST takes the header, whoever wrote it; see `bookbag.api.views`."""
    responses = post["responses"]
    if not post.get("security") or "401" not in responses:
        return
    post.setdefault("parameters", []).append(
        {
            "in": "header",
            "name": HEADER,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": (
                "A name that you give to this request, such as a random UUID. Sent"
                " again within 24 hours with the same name and body, it is not done"
                " again: you get the same answer, marked `Idempotency-Replayed: true`."
            ),
        }
    )
    replayed = {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The answer was given before, to the same Idempotency-Key.",
    }
    for status, response in responses.items():
        if status.startswith("2"):
            response.setdefault("headers", {})[REPLAYED] = replayed
    for status in ("400", "409", "422"):
        # In the clothes of this endpoint's other errors.
        refusal = {**responses["401"], "description": REASONS[int(status)]}
        responses.setdefault(status, refusal)
