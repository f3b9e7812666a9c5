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


def _accepts(accept: str, media_type: str) -> bool:
    """Whether the most specific range that matches has a quality above nothing."""
    kind = media_type.partition("/")[0]
    ranks = {"*/*": 1, f"{kind}/*": 2, media_type: 3}
    best, wanted = 0, not accept.strip()
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if (rank := ranks.get(name, 0)) > best:
            best, wanted = rank, _quality(parameters) > 0
    return wanted


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
