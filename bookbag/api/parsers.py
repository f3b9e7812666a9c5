"""Bodies: JSON and nothing that merely looks like it; forms, where a file comes along.

Whatever passes here can be stored by both databases and written out again.
"""

import io
import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from bookbag.api.errors import InvalidBody
from bookbag.middleware import body_cap

MAX_DEPTH = 64
MAX_DIGITS = 64
INT64 = range(-(2**63), 2**63)
# Only an escape can smuggle these past the UTF-8 decoder.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class StrictJSONParser(BaseParser):
    media_type = "application/json"
    wanted = "Send JSON, and say so: Content-Type: application/json."
    content = "a JSON object"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        _require_utf8(media_type or "")
        return parse_object(stream.read())


class FormParser(BaseParser):
    """A form with files, for a view that says `parser_classes = [FormParser]`. Its data
    has strings and uploaded files, by name."""

    media_type = "multipart/form-data"
    wanted = "Send a form, and say so: Content-Type: multipart/form-data; boundary=…"
    content = "a form: multipart/form-data"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return parse_form(stream.read(), media_type or "")


class ApiRequest(Request):
    """A request whose body is read strictly, when a view asks for it and not before."""

    def _parse(self) -> tuple[Any, MultiValueDict]:
        body = read_body(self._request)
        if not body:
            content = self.parsers[0].content
            raise InvalidBody(message=f"The body is empty. Send {content}.")
        encoding = self._request.META.get("HTTP_CONTENT_ENCODING", "identity")
        parser = self.negotiator.select_parser(self, self.parsers)
        if parser is None:
            raise _unsupported(self.parsers[0].wanted)
        if encoding.strip().lower() != "identity":
            raise _unsupported("Compressed bodies are not read. Send it as it is.")
        data = parser.parse(io.BytesIO(body), self.content_type, self.parser_context)
        return data, MultiValueDict()


def read_body(request: HttpRequest) -> bytes:
    """The whole body; what the shell could not or would not read is said here."""
    problem = getattr(request, "scope", {}).get("bookbag.body_problem")
    if problem == "too_slow":
        raise InvalidBody(
            message="The body took too long to arrive.",
            status=HTTPStatus.REQUEST_TIMEOUT,
        )
    cap = body_cap(request.path_info)
    if problem == "too_large" or _declared_length(request) > cap:
        raise _too_large(cap)
    body = request.body
    if len(body) > cap:
        raise _too_large(cap)
    return body


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. InvalidBody."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidBody(
            message=f"The body is not UTF-8: see byte {error.start}."
        ) from None
    if text.startswith("\ufeff"):
        raise InvalidBody(
            message="The body begins with a byte order mark; leave it out."
        )
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise InvalidBody(
            message="The body is not valid JSON:"
            f" see line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise InvalidBody(message="The body must be a JSON object: {…}.")
    if text.count("[") + text.count("{") > MAX_DEPTH or _SUSPICIOUS.search(text):
        _inspect(value)
    return value


def parse_form(body: bytes, content_type: str) -> dict[str, Any]:
    """The fields of the form in these bytes: strings, and files that are kept in
    memory. InvalidBody."""
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        form = MultiPartParser(meta, io.BytesIO(body), [_InMemory()], "utf-8")
        texts, files = form.parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError):
        raise InvalidBody(
            message="The body is not a valid form of the type multipart/form-data."
        ) from None
    if not body.rstrip().endswith(b"--%b--" % _boundary(content_type)):
        # Django takes what there is.
        raise InvalidBody(message="The form is cut off: its last boundary is missing.")
    fields: dict[str, Any] = {}
    for name, values in (*texts.lists(), *files.lists()):
        if name in fields or len(values) > 1:
            raise InvalidBody(message="The form has a field twice. Send each once.")
        for text in (name, *values):
            if isinstance(text, str):
                _require_storable(text)
        fields[name] = values[0]
    return fields


class _InMemory(MemoryFileUploadHandler):
    """Always: the whole body is there already, and is no larger than its cap."""

    def handle_raw_input(self, *_: Any, **__: Any) -> None:
        self.activated = True


def _boundary(content_type: str) -> bytes:
    _, parameters = parse_header_parameters(content_type)
    return parameters["boundary"].encode()


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _too_large(cap: int) -> InvalidBody:
    mib = cap / 1024 / 1024
    return InvalidBody(
        message=f"The body is too large: at most {mib:g} MiB.",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def _unsupported(message: str) -> InvalidBody:
    return InvalidBody(message=message, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _too_deep() -> InvalidBody:
    return InvalidBody(message=f"The body is nested deeper than {MAX_DEPTH} levels.")


def _require_utf8(content_type: str) -> None:
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:
        raise UnsupportedMediaType(content_type) from None
    if parameters.get("charset", "utf-8").strip().lower() not in {"utf-8", "utf8"}:
        raise _unsupported("JSON is sent in UTF-8. Leave the charset out.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        # Which of the two counts would depend on who reads it.
        raise InvalidBody(message="An object in the body has the same key twice.")
    return result


def _integer(digits: str) -> int:
    # int() refuses, or takes ages, for thousands of digits.
    if len(digits) > MAX_DIGITS or (number := int(digits)) not in INT64:
        raise InvalidBody(message="A number in the body does not fit into 64 bits.")
    return number


def _float(digits: str) -> float:
    if len(digits) > MAX_DIGITS or not math.isfinite(number := float(digits)):
        raise InvalidBody(message="A number in the body is out of range.")
    return number


def _constant(name: str) -> None:
    raise InvalidBody(message=f"{name} is no JSON.")


def _inspect(value: Any) -> None:
    """Refuses what is too deep, and text that PostgreSQL could not store."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _require_storable(item)
            elif isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return
        level = below
    # Text one level below the deepest allowed container is still that container's.
    for item in level:
        if isinstance(item, dict | list):
            raise _too_deep()
        if isinstance(item, str):
            _require_storable(item)


def _require_storable(text: str) -> None:
    if "\0" in text:
        raise InvalidBody(message="The body contains the character U+0000.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidBody(
                message="The body contains half of a surrogate pair, which is no text."
            ) from None
