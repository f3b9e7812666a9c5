"""Whether a visitor is who a site says: the site signs its users' ids with a secret
that it shares with the agent. `user_hash` is the hex HMAC-SHA256 of `user_id`."""

import hmac
import re
import secrets

import structlog
from django.db.models import QuerySet

from agents.models import Agent, Widget
from bookbag import vault

log = structlog.get_logger(__name__)

LONGEST_ID = 255  # as long as a contact's external id
_HASH = re.compile(r"\A[0-9a-fA-F]{64}\Z")


def secret_of(agent: Agent) -> str:
    """The agent's identity secret, made when first asked for. vault.Unreadable."""
    kept = _kept(agent)
    if kept is None:
        _row(agent)
        # Of two who come at once, one makes it; both read what was made.
        _widgets(agent).filter(identity_secret=None).update(
            identity_secret=vault.encrypt(_new().encode())
        )
        kept = _kept(agent)
        assert kept is not None
    return vault.decrypt(kept).decode()


def rotate(agent: Agent) -> str:
    """A new secret; from now on what the old one has signed is not believed."""
    secret = _new()
    _row(agent)
    _widgets(agent).update(identity_secret=vault.encrypt(secret.encode()))
    return secret


def renew_all() -> tuple[int, int]:
    """Encrypts all that are kept under the first key: how many, and how many cannot be
    read any more."""
    renewed = unreadable = 0
    kept = Widget.objects.exclude(identity_secret=None)
    for pk, before in kept.values_list("pk", "identity_secret").iterator():
        try:
            after = vault.renew(bytes(before or b""))
        except vault.Unreadable:
            unreadable += 1
        else:
            # Unless it has been rotated meanwhile.
            same = Widget.objects.filter(pk=pk, identity_secret=before)
            renewed += same.update(identity_secret=after)
    return renewed, unreadable


def is_genuine(agent: Agent, user_id: object, user_hash: object) -> bool:
    """Whether who holds the agent's secret has signed this id. Whatever is no id and no
    hash is not; nor is anything where there is no secret yet."""
    if not isinstance(user_id, str) or not isinstance(user_hash, str):
        return False
    if not _is_id(user_id) or not _HASH.match(user_hash):
        return False
    kept = _kept(agent)
    if kept is None:
        return False
    try:
        secret = vault.decrypt(kept)
    except vault.Unreadable as problem:  # the visitor cannot mend it, nor be refused
        log.error("visitors are not recognised", agent=agent.pk, problem=str(problem))
        return False
    expected = hmac.new(secret, user_id.encode(), "sha256").hexdigest()
    return hmac.compare_digest(expected, user_hash.lower())


def _is_id(text: str) -> bool:
    """What both databases can store, and a contact be called."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return 0 < len(text) <= LONGEST_ID and "\0" not in text


def _new() -> str:
    return secrets.token_hex(32)


def _kept(agent: Agent) -> bytes | None:
    kept = _widgets(agent).values_list("identity_secret", flat=True).first()
    return None if kept is None else bytes(kept)


def _row(agent: Agent) -> None:
    Widget.objects.get_or_create(
        agent_id=agent.pk, defaults={"workspace_id": agent.workspace_id}
    )


def _widgets(agent: Agent) -> QuerySet[Widget]:
    return Widget.objects.filter(agent_id=agent.pk)
