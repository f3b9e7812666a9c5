"""Where strangers may talk to an agent: on the sites that its widget lists, and on our
own pages."""

import re

from django.conf import settings
from yarl import URL

from agents.access import AgentNotFound
from agents.models import Agent, AgentStatus, Widget
from bookbag.api.errors import InsufficientPermissions, NotFound
from bookbag.api.fields import parse_path_id

# As browsers write it: scheme, host, perhaps a port; no path, nobody's name.
_ORIGIN = re.compile(
    r"\A(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])"
    r"(?P<port>:[0-9]{1,5})?\Z",
    re.IGNORECASE | re.ASCII,
)
_PORTS = {"http": "80", "https": "443"}


def public_agent(agent_id: str, origin: str | None) -> Agent:
    """The agent of this id, for somebody without a key on a page of this Origin; its
    widget has been looked up. AgentNotFound for drafts, too; InsufficientPermissions on
    a site that it is not for."""
    try:
        number = parse_path_id(agent_id)
    except NotFound:
        raise AgentNotFound from None
    active = Agent.objects.filter(status=AgentStatus.ACTIVE)
    agent = active.select_related("widget").filter(pk=number).first()
    if agent is None:
        raise AgentNotFound
    if not is_allowed(getattr(agent, "widget", None), origin):
        raise InsufficientPermissions("This agent does not answer on this site.")
    return agent


def is_allowed(widget: Widget | None, origin: str | None) -> bool:
    """Whether a page of this Origin may talk to the agent of this widget."""
    if widget is None or not widget.only_allowed_domains:
        return True
    found = _ORIGIN.match(origin or "")
    if found is None:
        return False
    if _whole(found) == _whole(_ORIGIN.match(settings.BASE_URL)):
        return True
    host = found["host"].lower().removesuffix(".")
    return any(_covers(listed, host) for listed in widget.domains)


def _whole(origin: re.Match[str] | None) -> tuple[str, str, str] | None:
    if origin is None:
        return None
    scheme = origin["scheme"].lower()
    port = (origin["port"] or "").lstrip(":0") or _PORTS[scheme]
    return scheme, origin["host"].lower().removesuffix("."), port


def _covers(listed: object, host: str) -> bool:
    """`*.example.com` stands for all below example.com, not for itself."""
    if not isinstance(listed, str):
        return False
    if listed.startswith("*."):
        parent = in_ascii(listed[2:])
        return bool(parent) and host.endswith(f".{parent}")
    return host == in_ascii(listed)


def in_ascii(name: str) -> str:
    """As browsers send it: `bücher.example` is `xn--bcher-kva.example`. Empty for what
    is no name. Python's own idea of it is older: `straße.example` would be
    `strasse.example`, which is somebody else's."""
    try:
        host = URL.build(scheme="https", host=name.removesuffix(".")).raw_host or ""
    except ValueError:
        return ""
    return host if all(0 < len(label) < 64 for label in host.split(".")) else ""
