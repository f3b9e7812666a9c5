"""Visitors without a name: a conversation is its visitor's by a token that only we can
make. Conversations are numbered, and the path to them is public."""

from datetime import timedelta

from django.core.signing import BadSignature, TimestampSigner

TERM = timedelta(days=30)  # since it was last given
LONGEST = 200  # characters; what we make has about 60
_SALT = "bookbag.visitor"  # so that nothing else that we sign is such a token


def token_for(conversation_id: int) -> str:
    """Shows for 30 days that who has it takes part in this conversation."""
    return TimestampSigner(salt=_SALT).sign(str(conversation_id))


def holds(token: object, conversation_id: int) -> bool:
    """Whether the token is of this conversation. No junk is."""
    if not isinstance(token, str) or not token.isascii() or len(token) > LONGEST:
        return False
    try:
        named = TimestampSigner(salt=_SALT).unsign(token, max_age=TERM)
    except BadSignature:
        return False
    return named == str(conversation_id)
