"""What was said."""

from typing import Literal, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from bookbag.numbers import Decoder
from bookbag.tenancy import TenantModel, TenantQuerySet


class ConversationStatus(models.TextChoices):
    """Who answers: the bot, a person who took over, or nobody any more."""

    BOT = "bot"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class Channel(models.TextChoices):
    API = "api", "API"
    PLAYGROUND = "playground", "Playground"
    WIDGET = "widget", "Widget or Iframe"
    WHATSAPP = "whatsapp", "WhatsApp"
    MESSENGER = "messenger", "Messenger"
    INSTAGRAM = "instagram", "Instagram"
    SLACK = "slack", "Slack"
    UNSPECIFIED = "unspecified", "Unspecified"


class Conversation(TenantModel):
    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.PROTECT, related_name="conversations"
    )
    end_user = models.CharField(  # noqa: DJ001  (null: the caller gave none)
        "user id",
        max_length=128,
        null=True,
        blank=True,
        help_text="The caller's own id of the person; set once, at the beginning.",
    )
    api_key = models.ForeignKey(
        "apikeys.ApiKey", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    contact = models.ForeignKey(
        "contacts.Contact",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="conversations",
        help_text="Whom the agent talks to, if that is known; set at the beginning.",
    )
    external_id = models.CharField(  # noqa: DJ001  (null: the caller named it not)
        max_length=255,
        null=True,
        blank=True,
        help_text="The caller's own name of the conversation, one for each user id.",
    )
    channel = models.CharField(
        max_length=20, choices=Channel.choices, default=Channel.API
    )
    is_test = models.BooleanField(default=False, help_text="Begun with a test key.")
    title = models.CharField(max_length=120, blank=True)
    status = models.CharField(
        max_length=10,
        choices=ConversationStatus.choices,
        default=ConversationStatus.BOT,
    )
    epoch = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Grows at a takeover; a reply begun in an earlier epoch is not kept.",
    )
    last_seq = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The number of its newest event."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(
        default=timezone.now, help_text="The last activity."
    )

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=Q(status__in=ConversationStatus.values),
                name="conversation_status",
            ),
            models.CheckConstraint(
                condition=Q(channel__in=Channel.values), name="conversation_channel"
            ),
            # One conversation of a name for each user id; two constraints, because
            # null is unlike null.
            models.UniqueConstraint(
                fields=["agent", "end_user", "external_id"],
                condition=Q(external_id__isnull=False, end_user__isnull=False),
                name="conversation_name_of_user",
            ),
            models.UniqueConstraint(
                fields=["agent", "external_id"],
                condition=Q(external_id__isnull=False, end_user__isnull=True),
                name="conversation_name",
            ),
        ]
        indexes = [
            models.Index(
                fields=["agent", "-updated_at", "-id"], name="conversation_newest"
            ),
            models.Index(
                fields=["agent", "end_user", "-updated_at", "-id"],
                name="conversation_of_user",
            ),
            models.Index(
                fields=["agent", "status", "-updated_at", "-id"],
                name="conversation_of_status",
            ),
            models.Index(
                fields=["agent", "-created_at", "-id"], name="conversation_begun"
            ),
            # An export's walk.
            models.Index(fields=["agent", "id"], name="conversation_of_agent"),
        ]

    def __str__(self) -> str:
        return self.title or f"Conversation {self.pk}"


class ConversationTotal(TenantModel):
    """How many conversations an agent has: the sum of its rows. Only the database
    writes them; see `conversations.counters`."""

    # A number: a total may outlive its agent's conversations, and holds nobody back.
    agent_id = models.BigIntegerField()
    slot = models.PositiveSmallIntegerField()
    total = models.BigIntegerField(help_text="Below zero where another slot has more.")

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["workspace", "agent_id", "slot"],
                name="conversationtotal_slot",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.total} conversations of agent {self.agent_id}"


class MessageRole(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class ReplyStatus(models.TextChoices):
    """The life of a turn. A user's message is complete from the start."""

    QUEUED = "queued"
    STREAMING = "streaming"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    AWAITING_TOOL = "awaiting_tool"


LIVE = (ReplyStatus.QUEUED, ReplyStatus.STREAMING)


class Feedback(models.TextChoices):
    POSITIVE = "positive"
    NEGATIVE = "negative"


class MessageQuerySet(TenantQuerySet["Message"]):
    def visible(self) -> Self:
        """All but what a retry has replaced."""
        return self.filter(hidden_at=None)

    def readable(self) -> Self:
        """What readers are shown: no reply that is still being made or came to
        nothing, and nothing that is said to the model only."""
        return (
            self.visible()
            .exclude(status__in=(*LIVE, ReplyStatus.FAILED))
            .exclude(role=MessageRole.SYSTEM)
        )

    def followable(self) -> Self:
        """Whose stream may be had again: what is shown, and a retry's new reply while
        it is being made or after it broke off."""
        unfinished = (*LIVE, ReplyStatus.PARTIAL, ReplyStatus.FAILED)
        return self.filter(
            Q(hidden_at=None) | Q(replaces__isnull=False, status__in=unfinished)
        )

    def live(self) -> Self:
        """Replies that are being made."""
        return self.filter(status__in=LIVE)

    def lost(self) -> Self:
        """Replies whose maker has not been heard of for longer than its lease."""
        return self.live().filter(lease_expires_at__lt=timezone.now())


class Message(TenantModel):
    """Something said. An assistant's message is also the turn that makes it: see
    `conversations.runs` for lease, fence and journal."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    role = models.CharField(max_length=10, choices=MessageRole.choices)
    text = models.TextField(blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The member of staff who wrote it, if a person did.",
    )
    answers = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.CASCADE,
        related_name="replies",
        help_text="The user's message that this one replies to.",
    )
    replaces = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.CASCADE,
        related_name="replacements",
        help_text="The reply that a retry makes anew. Until the new one is complete it"
        " is the hidden one.",
    )
    citations = models.JSONField(default=list)
    confidence = models.CharField(max_length=10, blank=True)
    score = models.FloatField(
        null=True, help_text="How well the sources bear the answer out, 0 to 1."
    )
    engine = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=120, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    credits = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    feedback = models.CharField(  # noqa: DJ001  (null: none given)
        max_length=10, choices=Feedback.choices, null=True
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    hidden_at = models.DateTimeField(null=True, editable=False)

    # The turn.
    status = models.CharField(
        max_length=14, choices=ReplyStatus.choices, default=ReplyStatus.COMPLETE
    )
    epoch = models.PositiveIntegerField(default=0, editable=False)
    fence = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Grows when the turn changes hands; the former maker's writes miss.",
    )
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    journal = models.JSONField(
        default=list,
        editable=False,
        help_text="Lengths of the text's deltas, so that a replay has the same frames.",
    )
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = MessageQuerySet.as_manager()  # type: ignore[misc]  # narrower, on purpose

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=Q(role__in=MessageRole.values), name="message_role"
            ),
            models.CheckConstraint(
                condition=Q(status__in=ReplyStatus.values), name="message_status"
            ),
            models.CheckConstraint(
                condition=Q(feedback=None)
                | Q(feedback__in=Feedback.values, role=MessageRole.ASSISTANT),
                name="message_feedback",
            ),
            models.CheckConstraint(
                condition=Q(role=MessageRole.ASSISTANT) | Q(status="complete"),
                name="message_turn_is_assistants",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=LIVE) | Q(lease_expires_at__isnull=False),
                name="message_live_is_leased",
            ),
            # Nothing interleaves: a conversation has one turn in the making.
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=LIVE),
                name="message_one_live_turn",
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "-id"], name="message_newest"),
            models.Index(
                fields=["workspace", "feedback", "conversation"],
                condition=Q(feedback__isnull=False),
                name="message_rated",
            ),
            models.Index(
                fields=["lease_expires_at"],
                condition=Q(status__in=LIVE),
                name="message_leases",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:60]}"

    @property
    def public_id(self) -> str:
        return f"msg_{self.pk}"

    @property
    def speaker(self) -> Literal["user", "agent", "person"]:
        """Who said it; a person is one who answered in the agent's place."""
        if self.role == MessageRole.USER:
            return "user"
        return "agent" if self.author_id is None else "person"


class ToolCallStatus(models.TextChoices):
    PENDING = "pending"
    SUBMITTED = "submitted"
    USED = "used"
    ABANDONED = "abandoned"
    EXPIRED = "expired"


class ToolCall(TenantModel):
    """A call that an assistant's message makes, and what came back."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="tool_calls"
    )
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="tool_calls"
    )
    call_id = models.CharField(max_length=80)
    name = models.CharField(max_length=60)
    input = models.JSONField(default=dict, decoder=Decoder)
    output = models.JSONField(null=True, decoder=Decoder)
    used_by = models.ForeignKey(
        Message,
        null=True,
        on_delete=models.SET_NULL,
        related_name="used_results",
        help_text="The reply that was made with the result.",
    )
    status = models.CharField(
        max_length=10, choices=ToolCallStatus.choices, default=ToolCallStatus.PENDING
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["conversation", "call_id"], name="toolcall_id"
            ),
            models.CheckConstraint(
                condition=Q(status__in=ToolCallStatus.values), name="toolcall_status"
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(status="pending"),
                name="toolcall_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"


class EventKind(models.TextChoices):
    """What can happen to a conversation."""

    MESSAGE = "message"  # somebody has said something; a reply, once it is complete
    RETRY = "retry"  # a reply and all after it were replaced; `message` is the new one
    TAKEOVER = "takeover"
    HANDBACK = "handback"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class ConversationEvent(TenantModel):
    """One thing that happened, numbered without gaps within its conversation. Written
    by `conversations.timeline`, in the transaction of its cause."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="events"
    )
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=10, choices=EventKind.choices)
    message = models.ForeignKey(
        Message, null=True, on_delete=models.CASCADE, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The member of staff, if a person did it in the dashboard.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["conversation", "seq"], name="conversationevent_seq"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=EventKind.values), name="conversationevent_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq}: {self.kind}"
