"""What a client is told when something goes wrong, and the one place that says it.

Raise one of these anywhere below a view of `bookbag.api`; never answer with an error.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions as drf
from rest_framework.response import Response

log = structlog.get_logger(__name__)

Details = Mapping[str, str]

# All that a default client ever sees; opt-in features may add their own.
CODES = (
    "VALIDATION_INVALID_BODY",
    "RESOURCE_MESSAGE_NOT_ASSISTANT",
    "CHAT_RETRY_NO_USER_MESSAGE",
    "AUTH_MISSING_API_KEY",
    "AUTH_INVALID_API_KEY",
    "AUTH_INSUFFICIENT_PERMISSIONS",
    "RESOURCE_NOT_FOUND",
    "RESOURCE_MESSAGE_NOT_FOUND",
    "RESOURCE_TOOL_CALL_NOT_FOUND",
    "CHAT_RETRY_MESSAGE_NOT_FOUND",
    "RATE_LIMIT_TOO_MANY_REQUESTS",
    "INTERNAL_SERVER_ERROR",
)
OPT_IN_CODES = (
    "CHAT_CONVERSATION_BUSY",
    "IDEMPOTENCY_KEY_IN_USE",
    "IDEMPOTENCY_KEY_REUSED",
)

CHALLENGE = {"WWW-Authenticate": "Bearer"}


class ApiError(drf.APIException):
    """A status, a stable code for programs, a message for people."""

    v1_code: str | None = None  # API v1's own word for it, where it has a special one

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Details | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code)
        self.status_code = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})


class InvalidBody(ApiError):
    """`InvalidBody({"field": "why"})`, or a sentence where no field is to blame.

    A serializer's `errors` will do for the fields.
    """

    def __init__(
        self,
        details: Mapping[str, Any] | None = None,
        message: str | None = None,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        fields = dict(_flatten(details or {}))
        whole = fields.pop("", None)  # what is wrong with all of them together
        if message is None:
            reasons = [f"{field}: {why}" for field, why in fields.items()]
            message = "; ".join([*reasons, *([whole] if whole else [])])
        message = message or "The request could not be understood."
        super().__init__(status, "VALIDATION_INVALID_BODY", message, fields, headers)


class AnswerBroken(Exception):
    """An answer that has begun cannot be completed, and its format has no word for it.
    The connection is closed, so that nobody takes it for whole."""


class MessageNotAssistant(ApiError):
    def __init__(self) -> None:
        super().__init__(
            400,
            "RESOURCE_MESSAGE_NOT_ASSISTANT",
            "Feedback can be given on the assistant's messages only.",
        )


class RetryNoUserMessage(ApiError):
    def __init__(self) -> None:
        super().__init__(
            400,
            "CHAT_RETRY_NO_USER_MESSAGE",
            "There is nothing to re-run: no user message comes before this one.",
        )


class MissingApiKey(ApiError):
    def __init__(self) -> None:
        super().__init__(
            401,
            "AUTH_MISSING_API_KEY",
            "No API key. Send it in the header: Authorization: Bearer <key>.",
            headers=CHALLENGE,
        )


class InvalidApiKey(ApiError):
    """The same words for every reason: a stranger learns nothing about keys."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "AUTH_INVALID_API_KEY",
            "This API key opens nothing. Check it for typos, or create a new one.",
            headers=CHALLENGE,
        )


class InsufficientPermissions(ApiError):
    def __init__(self, message: str = "This API key may not do that.") -> None:
        super().__init__(403, "AUTH_INSUFFICIENT_PERMISSIONS", message)


class NotFound(ApiError):
    """Missing, archived or somebody else's: the answer is the same, byte for byte."""

    def __init__(self, message: str = "There is nothing here. Check the id.") -> None:
        super().__init__(404, "RESOURCE_NOT_FOUND", message)


class ConversationNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("This agent has no such conversation.")


class MessageNotFound(ApiError):
    def __init__(self) -> None:
        super().__init__(
            404,
            "RESOURCE_MESSAGE_NOT_FOUND",
            "This conversation has no such message.",
        )


class ToolCallNotFound(ApiError):
    def __init__(self) -> None:
        super().__init__(
            404,
            "RESOURCE_TOOL_CALL_NOT_FOUND",
            "This conversation has no pending tool call of that id.",
        )


class RetryMessageNotFound(ApiError):
    def __init__(self) -> None:
        super().__init__(
            404,
            "CHAT_RETRY_MESSAGE_NOT_FOUND",
            "This conversation has no assistant message of that id to retry.",
        )


class ConversationBusy(ApiError):
    def __init__(
        self,
        message: str = "The conversation is still being answered. Wait for that reply.",
    ) -> None:
        super().__init__(409, "CHAT_CONVERSATION_BUSY", message)


class IdempotencyKeyInUse(ApiError):
    def __init__(self) -> None:
        super().__init__(
            409,
            "IDEMPOTENCY_KEY_IN_USE",
            "A request with this Idempotency-Key is still being worked on."
            " Send it again in a moment.",
            headers={"Retry-After": "1"},
        )


class IdempotencyKeyReused(ApiError):
    def __init__(self) -> None:
        super().__init__(
            422,
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key was used for another request: another address or"
            " another body. Use a new one for every new request.",
        )


class TooManyRequests(ApiError):
    def __init__(self, retry_after: int) -> None:
        super().__init__(
            429,
            "RATE_LIMIT_TOO_MANY_REQUESTS",
            f"Too many requests. Try again in {retry_after} s.",
            headers={"Retry-After": str(retry_after)},
        )


class Internal(ApiError):
    def __init__(
        self, message: str = "Something went wrong on our side. Try again."
    ) -> None:
        super().__init__(500, "INTERNAL_SERVER_ERROR", message)


class Unavailable(ApiError):
    def __init__(self) -> None:
        super().__init__(
            503,
            "INTERNAL_SERVER_ERROR",
            "The service is not available right now. Try again in a moment.",
            headers={"Retry-After": "2"},
        )


def envelope(error: ApiError) -> dict[str, Any]:
    """v2's shape."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        body["details"] = error.details
    return {"error": body}


def error_response(
    error: ApiError, body: Mapping[str, Any] | None = None
) -> HttpResponse:
    """The error as an answer, for where no view is at work; in the envelope, unless
    another `body` says it."""
    response = HttpResponse(
        orjson.dumps(envelope(error) if body is None else body),
        status=error.status_code,
        content_type="application/json",
        headers=error.headers,
    )
    response.headers["Content-Length"] = str(len(response.content))
    return response


def of_status(status: int) -> ApiError:
    """The error that a bare status stands for."""
    if status == HTTPStatus.FORBIDDEN:
        return InsufficientPermissions()
    if status == HTTPStatus.NOT_FOUND:
        return NotFound()
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Unavailable()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Internal()
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Bad Request"
    return InvalidBody(message=f"{phrase}.", status=status)


def as_api_error(problem: Exception) -> ApiError:
    """What the client is told of it. An unexpected one is logged here, once."""
    match problem:
        case ApiError():
            return problem
        case drf.ValidationError():
            detail = problem.detail
            return InvalidBody(detail if isinstance(detail, dict) else {"": detail})
        case drf.Throttled():
            return TooManyRequests(max(1, int(problem.wait or 1)))
        case drf.NotAuthenticated():
            return MissingApiKey()
        case drf.AuthenticationFailed():
            return InvalidApiKey()
        case drf.PermissionDenied() | PermissionDenied():
            return InsufficientPermissions()
        case drf.NotFound() | Http404():
            return NotFound()
        case drf.UnsupportedMediaType():
            return InvalidBody(
                message="Send JSON, and say so: Content-Type: application/json.",
                status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            )
        case drf.NotAcceptable():
            return InvalidBody(
                message="The answer is JSON, which your Accept header refuses.",
                status=HTTPStatus.NOT_ACCEPTABLE,
            )
        case drf.MethodNotAllowed():
            return InvalidBody(
                message="This address does not know that method; see Allow.",
                status=HTTPStatus.METHOD_NOT_ALLOWED,
            )
        case RequestDataTooBig():
            return InvalidBody(
                message="The body is too large.",
                status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        case SuspiciousOperation():
            return InvalidBody()
        case drf.APIException():
            return of_status(problem.status_code)
        case OperationalError() | InterfaceError():
            log.error("the database did not answer", exc_info=problem)
            return Unavailable()
        case _:
            log.error("a request failed", exc_info=problem)
            return Internal()


def exception_handler(problem: Exception, context: dict[str, Any]) -> Response:
    """For REST framework's own views; those of `bookbag.api.views` see to it."""
    error = as_api_error(problem)
    return Response(envelope(error), status=error.status_code, headers=error.headers)


def _flatten(detail: Any, path: str = "") -> list[tuple[str, str]]:
    """REST framework's nested errors as pairs of a dotted field and its reasons."""
    if isinstance(detail, Mapping):
        pairs = []
        for name, value in detail.items():
            own = name in ("", "non_field_errors")
            below = path if own else f"{path}.{name}".lstrip(".")
            pairs += _flatten(value, below)
        return pairs
    if isinstance(detail, list):
        if all(not isinstance(item, Mapping | list) for item in detail):
            return [(path, " ".join(map(str, detail)))] if detail else []
        return [
            pair
            for number, item in enumerate(detail)
            for pair in _flatten(item, f"{path}.{number}".lstrip("."))
        ]
    return [(path, str(detail))]
