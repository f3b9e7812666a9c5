"""What API v1 takes about chatbots: Chatbase's fields, and what may stand in them."""

import re
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema_field
from PIL import ImageColor
from rest_framework import serializers
from rest_framework.fields import empty

from agents import engines, pictures
from agents.models import Agent, AgentStatus, Widget
from agents.sites import in_ascii
from agents.widgets import MOST_STYLES
from bookbag.api.fields import (
    AgentIdField,
    ListField,
    StrictBooleanField,
    StrictCharField,
    is_blank,
)
from knowledge.models import MAX_CHARACTERS

MOST_URLS = 100
LONGEST_URL = 2_000
MOST_MESSAGES, LONGEST_MESSAGE = 50, 1_000
MOST_DOMAINS = 100
LONGEST_HOST = 253
LONGEST_LABEL = 200
LONGEST_COLOUR = 60
LONGEST_STYLE = 1_000
LONGEST_STYLE_NAME = 60
MOST_MESSAGES_OF_AN_ADDRESS = 1_000_000
MOST_SECONDS = 30 * 24 * 60 * 60

VISIBILITY = {
    "public": AgentStatus.ACTIVE,
    "private": AgentStatus.DRAFT,
    # Chatbase's word of earlier days for one that answers in widgets only.
    "can_be_embedded": AgentStatus.ACTIVE,
}
_NAME = Agent._meta.get_field("name").max_length
_INSTRUCTIONS = Agent._meta.get_field("instructions").max_length
_LIMIT_MESSAGE = Widget._meta.get_field("ip_limit_message").max_length
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"\A(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\Z")


# --- Fields ---------------------------------------------------------------------------


class TextField(StrictCharField):
    """A source's text, as it is. Blank text is none."""

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str) and len(data) > MAX_CHARACTERS:
            # Looked at before the rest, which would read all of it.
            raise serializers.ValidationError(
                f"Must have {MAX_CHARACTERS:,} characters at most."
            )
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        return "" if is_blank(text) else text


class WholeNumberField(serializers.IntegerField):
    """A JSON integer: not "1", not 1.0, not true."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class NumberField(serializers.FloatField):
    """A JSON number: not "1", not true."""

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float):
            self.fail("invalid")
        return data


@extend_schema_field(
    {
        "oneOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "string"},
        ]
    }
)
class LinesField(ListField):
    """A list of strings; or one string, with a line for each. Blank ones are left
    out."""

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, str):
            data = [line for line in data.split("\n") if not is_blank(line)]
        return [line for line in super().to_internal_value(data) if not is_blank(line)]


class HostField(StrictCharField):
    """A site's host as browsers write it; *. in front is for all below it."""

    default_error_messages = {
        "host": "Must be a host, such as example.com or *.example.com: without"
        " https://, port and path.",
    }

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).lower().removesuffix(".")
        if is_blank(text):
            return text
        if len(text) > LONGEST_HOST:
            self.fail("host")
        star = "*." if text.startswith("*.") else ""
        host = star + in_ascii(text.removeprefix("*."))
        if len(host) > LONGEST_HOST or not _HOST.match(host):
            self.fail("host")
        return host


@extend_schema_field({"type": "string", "examples": ["#3b81f6"]})
class ColourField(serializers.Field):
    """As CSS knows them. It is kept as #rrggbb or #rrggbbaa."""

    default_error_messages = {"invalid": "Must be a colour, such as #3b81f6."}

    def to_internal_value(self, data: Any) -> str:
        try:
            if not isinstance(data, str) or len(data) > LONGEST_COLOUR:
                raise ValueError
            parts = bytes(ImageColor.getrgb(data.strip().lower()))
        except ValueError:  # of a part beyond 255 as well
            self.fail("invalid")
        return f"#{parts.hex()}"


class ScalarField(serializers.Field):
    """Any JSON but lists and objects, as it is."""

    default_error_messages = {
        "invalid": "Must be a string, a number, true or false.",
        "max_length": f"Must have {LONGEST_STYLE:,} characters at most.",
    }

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict | list):
            self.fail("invalid")
        if isinstance(data, str) and len(data) > LONGEST_STYLE:
            self.fail("max_length")
        return data


COLOUR = ColourField(allow_null=True)
SCALAR = ScalarField(allow_null=True)


class ModelField(StrictCharField):
    def to_internal_value(self, data: Any) -> str:
        model = super().to_internal_value(data)
        if not engines.is_known(model):
            there = ", ".join(engines.ENGINES)
            raise serializers.ValidationError(
                f"There is no model called “{model[:120]}” here, only: {there}."
            )
        return model


class PictureField(serializers.FileField):
    """A file with a picture, redrawn."""

    default_error_messages = {"invalid": "Must be a file."}

    def to_internal_value(self, data: Any) -> pictures.Picture:
        if not isinstance(data, UploadedFile):
            self.fail("invalid")
        try:
            return pictures.redraw(data.read())
        except pictures.NotAPicture as reason:
            raise serializers.ValidationError(str(reason)) from None


# --- Bodies ---------------------------------------------------------------------------


class ChatbotReference(serializers.Serializer):
    chatbotId = AgentIdField(help_text="The agent's id, as the dashboard shows it.")


class NewChatbot(serializers.Serializer):
    chatbotName = StrictCharField(min_length=3, max_length=_NAME)
    sourceText = TextField(
        required=False,
        allow_null=True,
        allow_blank=True,
        trim_whitespace=False,
        help_text=f"What it knows: at most {MAX_CHARACTERS:,} characters.",
    )
    urlsToScrape = ListField(
        child=StrictCharField(max_length=LONGEST_URL),
        required=False,
        allow_null=True,
        max_length=MOST_URLS,
        help_text="Pages that it reads. Addresses within private networks are refused.",
    )


class ChatbotData(ChatbotReference):
    chatbotName = StrictCharField(max_length=_NAME)
    sourceText = TextField(
        required=False,
        allow_null=True,
        trim_whitespace=False,
        help_text="It replaces the text that the chatbot was made with, or given last."
        " Other sources stay. Without it the chatbot is only renamed.",
    )


class Styles(serializers.Serializer):
    """How the widget looks. Other names than these are kept as they are given: strings,
    numbers, true, false; those that end in `Color` are colours."""

    theme = serializers.ChoiceField(["light", "dark"], allow_null=True, required=False)
    buttonColor = ColourField(allow_null=True, required=False)
    headerColor = ColourField(allow_null=True, required=False)
    userMessageColor = ColourField(allow_null=True, required=False)
    displayName = StrictCharField(
        allow_null=True, required=False, allow_blank=True, max_length=LONGEST_LABEL
    )
    alignChatButton = serializers.ChoiceField(
        ["left", "right"], allow_null=True, required=False
    )
    autoOpenChatWindowAfter = NumberField(
        allow_null=True,
        required=False,
        min_value=-1,
        max_value=3_600,
        help_text="Seconds; -1 is never.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and len(data) > MOST_STYLES:
            raise serializers.ValidationError(f"There may be {MOST_STYLES} at most.")
        known: dict[str, Any] = super().to_internal_value(data)
        if not all(1 <= len(name) <= LONGEST_STYLE_NAME for name in data):
            raise serializers.ValidationError(
                f"A style's name has 1 to {LONGEST_STYLE_NAME} characters."
            )
        others = {name: data[name] for name in data if name not in self.fields}
        return {**_checked(others), **known}


class LeadFormField(serializers.Serializer):
    active = StrictBooleanField(
        required=False, allow_null=True, help_text="Whether it is asked for."
    )
    label = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST_LABEL
    )


class LeadForm(serializers.Serializer):
    title = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST_LABEL
    )
    name = LeadFormField(required=False, allow_null=True)
    email = LeadFormField(required=False, allow_null=True)
    phone = LeadFormField(required=False, allow_null=True)


class ChatbotSettings(ChatbotReference):
    """Only what is sent changes; null is the default again."""

    name = StrictCharField(required=False, max_length=_NAME)
    chatbotName = StrictCharField(
        required=False, max_length=_NAME, help_text="Another word for `name`."
    )
    instructions = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        trim_whitespace=False,
        max_length=_INSTRUCTIONS,
    )
    initialMessages = LinesField(
        child=StrictCharField(allow_blank=True, max_length=LONGEST_MESSAGE),
        required=False,
        allow_null=True,
        max_length=MOST_MESSAGES,
        help_text="What the widget greets with.",
    )
    suggestedMessages = LinesField(
        child=StrictCharField(allow_blank=True, max_length=LONGEST_MESSAGE),
        required=False,
        allow_null=True,
        max_length=MOST_MESSAGES,
        help_text="What the widget offers to be clicked.",
    )
    visibility = serializers.ChoiceField(
        list(VISIBILITY),
        required=False,
        allow_null=True,
        help_text="A private chatbot answers calls with an API key only.",
    )
    domains = LinesField(
        child=HostField(allow_blank=True),
        required=False,
        allow_null=True,
        max_length=MOST_DOMAINS,
        help_text="Sites: `example.com`; `*.example.com` is all below it.",
    )
    onlyAllowOnAddedDomains = StrictBooleanField(
        required=False,
        allow_null=True,
        help_text="Whether the widget answers on those sites only.",
    )
    ipLimit = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST_MESSAGES_OF_AN_ADDRESS,
        help_text="Messages that a visitor's address may send in the time below; null:"
        " as the installation has it.",
    )
    ipLimitTimeframe = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST_SECONDS,
        help_text="Seconds.",
    )
    ipLimitMessage = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=_LIMIT_MESSAGE,
        help_text="What a visitor beyond the limit is told.",
    )
    model = ModelField(required=False, allow_null=True)
    temp = NumberField(required=False, allow_null=True, min_value=0, max_value=1)
    styles = Styles(required=False, allow_null=True)
    collectCustomerInformation = LeadForm(required=False, allow_null=True)

    def validate_domains(self, hosts: list[str] | None) -> list[str] | None:
        return None if hosts is None else list(dict.fromkeys(hosts))


class Icon(ChatbotReference):
    chatbotIconFile = PictureField(
        help_text="A square picture of less than 1 MB: PNG, JPEG, GIF or WebP."
    )


class ProfilePicture(ChatbotReference):
    profilePictureFile = PictureField(
        help_text="A square picture of less than 1 MB: PNG, JPEG, GIF or WebP."
    )


def _checked(styles: dict[str, Any]) -> dict[str, Any]:
    """Styles that only their sender knows."""
    checked, flaws = {}, {}
    for name, value in styles.items():
        field = COLOUR if name.endswith("Color") else SCALAR
        try:
            checked[name] = field.run_validation(value)
        except serializers.ValidationError as flaw:
            flaws[name] = flaw.detail
    if flaws:
        raise serializers.ValidationError(flaws)
    return checked
