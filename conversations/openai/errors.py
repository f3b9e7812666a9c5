"""Errors, as OpenAI's clients read them."""

from typing import Any

from bookbag.api.errors import ApiError

_REFUSED = "invalid_request_error"
_KINDS: dict[str, tuple[str, str | None]] = {
    "AUTH_MISSING_API_KEY": (_REFUSED, "invalid_api_key"),
    "AUTH_INVALID_API_KEY": (_REFUSED, "invalid_api_key"),
    "RATE_LIMIT_TOO_MANY_REQUESTS": ("requests", "rate_limit_exceeded"),
    "VALIDATION_INVALID_BODY": (_REFUSED, None),
    "INTERNAL_SERVER_ERROR": ("server_error", None),
}


def error_json(problem: ApiError) -> dict[str, Any]:
    """An error in OpenAI's words where it has some, in ours where it has none."""
    kind, code = _KINDS.get(problem.code, (_REFUSED, problem.code.lower()))
    field = next(iter(problem.details), None)
    return error_body(kind, problem.message, code=code, param=field)


def error_body(
    kind: str, message: str, *, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return {"error": error}
