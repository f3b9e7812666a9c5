"""A POST with an `Idempotency-Key` is done once, however often it is sent.

The claim on the name is a row, committed in the transaction of what it stands for: a
crash leaves both or neither. A twin that comes meanwhile waits at the row; one that
comes later is given the answer that the row keeps, or attached to the reply that it
names. What was refused is not kept: it may be corrected and sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import IntegrityError, OperationalError, transaction
from django.http import HttpResponse
from rest_framework.request import Request

from apikeys.models import ApiKey, IdempotencyKey, IdempotencyKeyQuerySet
from bookbag.api import idempotency
from bookbag.api.errors import IdempotencyKeyInUse, IdempotencyKeyReused

BATCH = 500  # rows deleted at once
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for a lock that was long in coming


class AlreadyClaimed(Exception):
    """A twin of the request came first; `Claim.twin` says what became of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a request with an Idempotency-Key has to say: who, under which name, what.

    `find` first. Then, in the transaction that does what is asked for, `reserve`, and
    at its end either `bind`, to a reply that can be watched, or `keep`, an answer.
    """

    key: ApiKey
    name: str
    route: str
    digest: bytes

    def find(self) -> IdempotencyKey | None:
        """What the same request has led to, or None where it is the first.

        Raises IdempotencyKeyReused where the name was used for something else, and
        IdempotencyKeyInUse while there is nothing yet to be given.
        """
        row = self._rows().first()
        if row is None or row.is_expired:
            return None
        if bytes(row.digest) != self.digest:
            raise IdempotencyKeyReused
        if row.is_in_flight:
            raise IdempotencyKeyInUse
        return row

    def twin(self) -> IdempotencyKey:
        """What a request has led to that came first. Raises as `find` does."""
        done = self.find()
        if done is None:  # it was undone just now
            raise IdempotencyKeyInUse
        return done

    def reserve(self) -> None:
        """Takes the name, for as long as the caller's transaction is not rolled back.

        Waits for a twin that is about to commit. Raises AlreadyClaimed, and
        IdempotencyKeyInUse where the wait is too long.
        """
        if self._insert():
            return
        if self._rows().expired().delete()[0] and self._insert():
            return
        raise AlreadyClaimed

    def bind(
        self,
        *,
        conversation_id: int | None,
        message_id: int | None,
        user_message_id: int | None,
    ) -> None:
        """From now on the name stands for this turn."""
        self._update(
            conversation_id=conversation_id,
            message_id=message_id,
            user_message_id=user_message_id,
        )

    def keep(self, answer: HttpResponse) -> None:
        """From now on the name stands for this answer."""
        self._update(
            status=answer.status_code,
            content_type=answer.headers["Content-Type"],
            body=answer.content,
        )

    def release(self) -> None:
        """Gives a name back that led to nothing; for those who reserved it in a
        transaction that they could not keep open."""
        self._rows().in_flight().delete()

    def _insert(self) -> bool:
        try:
            with transaction.atomic():
                IdempotencyKey.objects.create(
                    workspace_id=self.key.workspace_id,
                    api_key=self.key,
                    name=self.name,
                    route=self.route[:200],
                    digest=self.digest,
                )
        except IntegrityError:
            return False
        except OperationalError as problem:
            if getattr(problem.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE:
                raise IdempotencyKeyInUse from None
            raise
        return True

    def _update(self, **values: object) -> None:
        if not self._rows().update(**values):
            raise RuntimeError("reserve() comes first, in the same transaction.")

    def _rows(self) -> IdempotencyKeyQuerySet:
        ours = IdempotencyKey.objects.for_workspace(self.key.workspace_id)
        return ours.filter(api_key=self.key, name=self.name)


def claim_of(request: Request) -> Claim | None:
    """The claim of a keyed POST that has an Idempotency-Key. InvalidBody."""
    if request.method != "POST" or not isinstance(request.auth, ApiKey):
        return None
    name = idempotency.name_of(request._request)
    if name is None:
        return None
    return Claim(
        key=request.auth,
        name=name,
        route=idempotency.route_of(request._request),
        digest=idempotency.digest_of(request._request),
    )


def once(request: Request, handle: Callable[[], HttpResponse]) -> HttpResponse:
    """The handler's answer, or the one that the same request was given before.

    What the handler writes and the row that keeps its answer are one transaction.
    """
    claim = claim_of(request)
    if claim is None:
        return handle()
    done = claim.find()
    if done is None:
        try:
            with transaction.atomic():
                claim.reserve()
                answer = handle()
                claim.keep(answer)
                return answer
        except AlreadyClaimed:
            done = claim.twin()
    return replay(done)


def replay(done: IdempotencyKey) -> HttpResponse:
    """The answer that the row keeps."""
    return HttpResponse(
        bytes(done.body or b""),
        status=done.status,
        content_type=done.content_type,
        headers={idempotency.REPLAYED: "true"},
    )


def forget() -> int:
    """Deletes what is older than a day; says how many. Call it every few minutes."""
    deleted = 0
    while True:
        expired = IdempotencyKey.objects.expired().values_list("pk", flat=True)
        # A few at a time: a transaction of all would keep everybody waiting.
        ids = list(expired[:BATCH])
        deleted += IdempotencyKey.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < BATCH:
            return deleted
