"""What an error wears on each surface of the API, by path."""

from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from typing import Any

from bookbag.api.errors import (
    ApiError,
    InvalidApiKey,
    InvalidBody,
    MissingApiKey,
    envelope,
)

Dress = Callable[[ApiError], dict[str, Any]]
Issue = dict[str, str]
# More are of no help: a mebibyte of values that do not fit was answered with nine.
MOST_ISSUES = 100


class ExactError(ApiError):
    """An error of API v1 that says just this, and which fields are to blame."""

    def __init__(self, status: int, message: str, *issues: Issue) -> None:
        super().__init__(status, _V1_CODES.get(status, "error"), message)
        self.issues = list(issues)


def message_only(error: ApiError) -> dict[str, Any]:
    """`{"message"}`, as Chatbase says it. What is wrong with a body is beside it, in
    `issues`: `[{field, message}]`."""
    match error:
        case ExactError():
            body: dict[str, Any] = {"message": error.message}
            return {**body, "issues": error.issues} if error.issues else body
        case InvalidBody(status_code=HTTPStatus.BAD_REQUEST):
            return {"message": "Invalid request data", "issues": issues_of(error)}
        case MissingApiKey():
            return {"message": "No API key provided."}
        case InvalidApiKey():
            return {"message": "Invalid API key."}
        case ApiError(status_code=HTTPStatus.NOT_FOUND):
            return {"message": "Resource not found"}
        case ApiError(status_code=HTTPStatus.INTERNAL_SERVER_ERROR):
            return {"message": "Internal server error"}
    return {"message": error.message}


def success_flag(error: ApiError) -> dict[str, Any]:
    """`{"success": false, "error": {code, message}}`, Bookbag's own of v1."""
    code = error.v1_code or _V1_CODES.get(error.status_code, "error")
    body: dict[str, Any] = {"code": code, "message": error.message}
    if error.details:
        body["details"] = error.details
    return {"success": False, "error": body}


def issues_of(error: ApiError) -> list[Issue]:
    if not error.details:
        return [{"field": "body", "message": error.message}]
    flaws = islice(error.details.items(), MOST_ISSUES)
    return [{"field": name, "message": why} for name, why in flaws]


class SuccessErrors:
    """A view whose errors are `{"success": false, "error"}` wherever it answers."""

    def dress(self, error: ApiError) -> dict[str, Any]:
        return success_flag(error)


# The first that fits; below /api/ and /v1/ all else is v2's envelope.
_BY_PATH: list[tuple[str, Dress]] = [
    ("/api/v1/agents/", success_flag),
    ("/api/v1/conversations/", success_flag),
    ("/api/v1/", message_only),
]


def wear(prefix: str, dress: Dress) -> None:
    """Paths that begin so have these clothes, from a room above this one."""
    _BY_PATH.append((prefix, dress))


def is_dressed(path: str) -> bool:
    """Whether some surface's errors begin so."""
    return path.startswith(tuple(prefix for prefix, _ in _BY_PATH))


def dress_for(path: str, error: ApiError) -> dict[str, Any]:
    """For errors that no view has seen to."""
    for prefix, dress in _BY_PATH:
        if path.startswith(prefix):
            return dress(error)
    return envelope(error)


_V1_CODES = {
    400: "validation_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "idempotency_key_reused",
    429: "rate_limited",
    431: "headers_too_large",
    500: "internal_error",
    503: "unavailable",
}
