"""What every page is made with: icons, the theme, the sidebar, times."""

import re
from datetime import datetime, timedelta
from functools import lru_cache

from django import template
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.http import HttpRequest
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from dashboard import navigation, theme
from workspaces.models import Member

ICONS = settings.BASE_DIR / "static" / "vendor" / "lucide-1.62.0"

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """The icon, in the page itself: it takes the colour of the words around it."""
    return _icon(name)


@register.simple_tag(takes_context=True, name="theme")
def theme_tag(context: Context) -> str:
    """ "light", "dark", or nothing where the reader leaves it to the system."""
    request: HttpRequest | None = context.get("request")
    return theme.chosen(request) if request else ""


@register.inclusion_tag("dashboard/_sidebar.html", takes_context=True)
def sidebar(context: Context) -> dict[str, object]:
    """Only what the member may open, and the switch where there is a choice."""
    request = context["request"]
    memberships = Member.objects.filter(user=request.user).select_related("workspace")
    return {
        "request": request,
        "user": request.user,
        "member": request.member,
        "workspace": request.workspace,
        "memberships": list(memberships.order_by("workspace__name", "id")),
        "sections": navigation.for_member(request.member),
        "here": request.resolver_match.view_name,
        "theme": theme.chosen(request),
        "themes": theme.CHOICES,
    }


@register.simple_tag
def ago(moment: datetime | None) -> str:
    """A moment as people say it; the exact one appears on hovering."""
    if moment is None:
        return "Never"
    near = abs(timezone.now() - moment) < timedelta(days=7)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%-d %b %Y, %H:%M:%S"),
        naturaltime(moment) if near else moment.strftime("%-d %b %Y"),
    )


@lru_cache
def _icon(name: str) -> SafeString:
    # Ours, from the repository: nothing a person typed is in it.
    svg = (ICONS / f"{name}.svg").read_text()
    shapes = re.sub(r"\s+", " ", re.sub(r"<!--.*?-->|</?svg[^>]*>", "", svg)).strip()
    return mark_safe(
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        ' stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"'
        f' aria-hidden="true">{shapes}</svg>'
    )
