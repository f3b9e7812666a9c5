"""The assistants."""

from collections.abc import Callable, Iterator
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.utils import timezone

from agents.engine import phrases, results, schemas
from bookbag.tenancy import TenantModel, TenantQuerySet


class AgentStatus(models.TextChoices):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class AgentQuerySet(TenantQuerySet["Agent"]):
    def existing(self) -> Self:
        """All but the archived ones, which for every caller do not exist."""
        return self.exclude(status=AgentStatus.ARCHIVED)


class Agent(TenantModel):
    name = models.CharField(max_length=120)
    status = models.CharField(
        max_length=10, choices=AgentStatus.choices, default=AgentStatus.ACTIVE
    )
    instructions = models.TextField(
        blank=True,
        max_length=20_000,
        help_text="How the agent should behave. The embedded engine quotes its sources"
        " word for word and does not follow instructions; a model does.",
    )
    model = models.CharField(
        max_length=120,
        default="embedded",
        help_text="The engine that answers. “embedded” needs no key and no network.",
    )
    temperature = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="0 to 1; higher is freer. The embedded engine ignores it.",
    )
    fallback_message = models.TextField(
        max_length=2_000,
        default="I don't know that one, sorry. A person on our team can help you.",
        help_text="What the agent says when its sources hold no answer.",
    )
    language = models.CharField(max_length=16, default="en")
    index_version = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Grows whenever the agent's chunks change."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AgentQuerySet.as_manager()  # type: ignore[misc]  # narrower, on purpose

    class Meta(TenantModel.Meta):
        ordering = ["name", "id"]
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(status__in=AgentStatus.values), name="agent_status"
            ),
            models.CheckConstraint(
                condition=models.Q(temperature=None)
                | models.Q(temperature__gte=0, temperature__lte=1),
                name="agent_temperature",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Widget(TenantModel):
    """How an agent shows itself on somebody's site, and to whom. An agent without such
    a row has what these defaults say."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="widget")
    initial_messages = models.JSONField(
        default=list, blank=True, help_text="What the agent greets with: a list."
    )
    suggested_messages = models.JSONField(
        default=list, blank=True, help_text="Offered to be clicked: a list."
    )
    domains = models.JSONField(
        default=list, blank=True, help_text="Sites: example.com, *.example.com."
    )
    only_allowed_domains = models.BooleanField(
        default=False, help_text="Answers visitors of those sites only."
    )
    ip_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Messages that one address may send in the time below.",
    )
    ip_limit_timeframe = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds."
    )
    ip_limit_message = models.CharField(
        max_length=500, blank=True, help_text="What a visitor is told beyond the limit."
    )
    styles = models.JSONField(default=dict, blank=True)
    lead_form = models.JSONField(
        default=dict,
        blank=True,
        help_text="{title, name, email, phone}, each {active, label}.",
    )
    icon = models.FileField(upload_to="icons", max_length=100, blank=True)
    profile_picture = models.FileField(upload_to="pictures", max_length=100, blank=True)
    identity_secret = models.BinaryField(
        null=True, editable=False, help_text="Encrypted; see agents.identity."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantModel.Meta):
        constraints = [*TenantModel.Meta.constraints]

    def __str__(self) -> str:
        return f"The widget of {self.agent}"


ACTION_NAME = r"\A[A-Za-z0-9_]{1,60}\Z"
MOST_EXAMPLES = 20
LONGEST_EXAMPLE = 200


class ActionKind(models.TextChoices):
    """Who runs an action."""

    CLIENT = "client", "Client: the program that called runs it"


def no_parameters() -> dict[str, object]:
    return {"type": "object", "properties": {}}


class Action(TenantModel):
    """Something an agent can have done. While enabled it is a tool of its model."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="actions")
    name = models.CharField(
        max_length=60,
        validators=[
            RegexValidator(ACTION_NAME, "Letters A to Z, digits and underscores only.")
        ],
        help_text="What the model and the program that runs it call it:"
        " letters, digits and underscores, for example order_status.",
    )
    kind = models.CharField(
        max_length=20,
        choices=ActionKind.choices,
        default=ActionKind.CLIENT,
        help_text="A client action is handed to the API's caller as a tool call; the"
        " caller runs it and submits the result.",
        error_messages={
            "invalid_choice": "There is no kind “%(value)s” yet: only “client”, which"
            " the API's caller runs."
        },
    )
    description = models.TextField(
        max_length=1_000,
        help_text="When the agent should use it, and what it gives. Models read this.",
    )
    parameters = models.JSONField(
        default=no_parameters,
        help_text="A JSON Schema (draft 2020-12) of what the action is called with:"
        " “type”: “object” at its top, at most 16 KiB.",
    )
    examples = models.JSONField(
        default=list,
        blank=True,
        help_text="What people say when they want it, with a {slot} for each value:"
        " “Where is order {number}?”. Only the embedded engine needs them; without"
        " any it never uses the action.",
    )
    reply = models.TextField(
        blank=True,
        max_length=2_000,
        help_text="How the embedded engine words the result:"
        " “Order {input.number} is {output.status}.” Empty: it reads the result out.",
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantModel.Meta):
        ordering = ["agent", "name", "id"]
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["agent", "name"],
                name="action_name_once",
                violation_error_message="The agent has an action of this name already.",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=ActionKind.values), name="action_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(name__regex=ACTION_NAME), name="action_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError, by field, in sentences for whoever wrote it."""
        try:
            schemas.check_schema(self.parameters)
        except schemas.Flaw as flaw:
            raise ValidationError({"parameters": str(flaw)}) from None
        flaws = {
            "examples": list(_flaws_of(self.examples, self.parameters)),
            "reply": list(_flaws(results.check_reply, self.reply)),
        }
        if any(flaws.values()):
            raise ValidationError({name: said for name, said in flaws.items() if said})


def _flaws_of(examples: object, parameters: dict[str, Any]) -> Iterator[str]:
    if not isinstance(examples, list) or not all(isinstance(e, str) for e in examples):
        yield "The examples must be a list of phrases."
        return
    if len(examples) > MOST_EXAMPLES:
        yield f"There may be {MOST_EXAMPLES} examples at most."
    for example in examples[:MOST_EXAMPLES]:
        if len(example) > LONGEST_EXAMPLE:
            yield f"An example may have {LONGEST_EXAMPLE} characters: “{example[:40]}…”"
        elif problem := schemas.unstorable(example):
            yield f"An example {problem}."
        else:
            yield from _flaws(phrases.check_example, example, parameters)


def _flaws(check: Callable[..., None], *args: object) -> Iterator[str]:
    try:
        check(*args)
    except schemas.Flaw as flaw:
        yield str(flaw)
