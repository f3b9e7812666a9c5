"""A POST that may be sent again: what the client calls it, and what it asks for.

Who remembers it stands above this room; see `API_ONCE` in the settings.
"""

import hashlib
import json
import re
from typing import Any

from django.http import HttpRequest

from bookbag.api.errors import InvalidBody
from bookbag.api.parsers import parse_form, parse_object, read_body

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"  # "true" on an answer that was given before
_NAME = re.compile(r"\A[ -~]{1,255}\Z")


def name_of(request: HttpRequest) -> str | None:
    """What the one Idempotency-Key header holds, or None. InvalidBody."""
    values = _values(request)
    if not values:
        return None
    if len(values) > 1:
        raise InvalidBody({HEADER: "Must be sent once."})
    if not _NAME.match(name := values[0].strip(" \t")):
        raise InvalidBody({HEADER: "Must be 1 to 255 printable ASCII characters."})
    return name


def route_of(request: HttpRequest) -> str:
    """Ids and the query are part of it: they say what is to be done."""
    return f"{request.method} {request.get_full_path()}"


def digest_of(request: HttpRequest) -> bytes:
    """Tells requests apart by route and body. Of JSON and forms it is the value that
    counts: the order of keys, white space and boundaries are a library's business."""
    route = route_of(request).encode("utf-8", "surrogateescape")
    return hashlib.sha256(route + b"\n" + _canonical(request)).digest()


def _canonical(request: HttpRequest) -> bytes:
    body = read_body(request)
    try:
        if request.content_type == "multipart/form-data":
            # Each time it is made a form has another boundary.
            value = _named(parse_form(body, request.META["CONTENT_TYPE"]))
        else:
            value = parse_object(body)
    except InvalidBody:  # what the view will refuse
        return body
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _named(form: dict[str, Any]) -> dict[str, str]:
    """The form's texts, and of its files what is in them."""
    return {
        name: part
        if isinstance(part, str)
        else f"{part.name} {hashlib.sha256(part.read()).hexdigest()}"
        for name, part in form.items()
    }


def _values(request: HttpRequest) -> list[str]:
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    if scope is not None:
        # As they came: Django would join them with a comma.
        wanted = HEADER.lower().encode()
        return [v.decode("latin-1") for name, v in scope["headers"] if name == wanted]
    value = request.headers.get(HEADER)
    return [] if value is None else [value]
