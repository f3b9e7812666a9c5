"""Which media types go in and out."""

from collections.abc import Sequence

from django.utils.http import parse_header_parameters
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AnyNegotiation(BaseContentNegotiation):
    """For views that answer in one way whatever the client says it accepts."""

    def select_parser(
        self, request: Request, parsers: Sequence[BaseParser]
    ) -> BaseParser | None:
        try:
            given, _ = parse_header_parameters(request.content_type)
        except ValueError:
            return None
        given = given.strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class JSONNegotiation(AnyNegotiation):
    """JSON, or 406 where the client refuses it. `?format=` means nothing here."""

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        for renderer in renderers:
            if _accepts(accept, renderer.media_type):
                return renderer, renderer.media_type
        raise NotAcceptable


def liking(accept: str, media_type: str) -> tuple[float, int]:
    """How much the header asks for it: quality, then how plainly it names it. The most
    specific range that matches decides."""
    ranks = {"*/*": 1, f"{media_type.partition('/')[0]}/*": 2, media_type: 3}
    found = (0.0, 0)
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if (rank := ranks.get(name, 0)) > found[1]:
            found = (_quality(parameters), rank)
    return found


def _accepts(accept: str, media_type: str) -> bool:
    return not accept.strip() or liking(accept, media_type)[0] > 0


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
