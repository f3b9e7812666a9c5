"""Light or dark, as the reader chose; the server knows it, so that no page flashes."""

from django.http import HttpRequest, HttpResponse

COOKIE = "theme"
YEAR = 365 * 24 * 3600
CHOICES = [("system", "monitor"), ("light", "sun"), ("dark", "moon")]


def chosen(request: HttpRequest) -> str:
    """ "light", "dark", or "" for whatever the system has."""
    theme = request.COOKIES.get(COOKIE, "")
    return theme if theme in ("light", "dark") else ""


def remember(response: HttpResponse, theme: str) -> None:
    if theme in ("light", "dark"):
        response.set_cookie(COOKIE, theme, max_age=YEAR, samesite="Lax", httponly=True)
    else:
        response.delete_cookie(COOKIE, samesite="Lax")
