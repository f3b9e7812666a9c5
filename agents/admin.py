import json
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest
from rest_framework import serializers

from agents import pictures, widgets
from agents.api.chatbots_bodies import ChatbotSettings
from agents.models import Action, Agent, Widget, no_parameters
from bookbag.admin import TenantAdmin, TenantForm
from bookbag.api.errors import InvalidBody
from bookbag.api.parsers import parse_object


@admin.register(Agent)
class AgentAdmin(TenantAdmin):
    fields = (
        "workspace",
        "name",
        "status",
        "instructions",
        "model",
        "temperature",
        "fallback_message",
        "language",
        "index_version",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("index_version", "created_at", "updated_at")
    autocomplete_fields = ("workspace",)
    list_display = ("name", "id", "workspace", "status", "model", "updated_at")
    list_filter = ("status",)
    list_select_related = ("workspace",)
    search_fields = ("name", "=id", "workspace__name")

    def save_model(
        self, request: HttpRequest, obj: Agent, form: forms.ModelForm, change: bool
    ) -> None:
        if not change:
            obj.save()
        elif form.changed_data:
            # Not the index's version: a worker may have raised it since it was read,
            # and a version that comes twice shows an index of other words.
            obj.save(update_fields=[*form.changed_data, "updated_at"])

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Archive it: its conversations are somebody's."""
        return False


class ParametersField(forms.JSONField):
    """JSON as strict as the API's: what passes can be kept by every database."""

    empty_values = [None, ""]  # {} is an answer, though not the right one

    def to_python(self, value: Any) -> Any:
        if self.disabled or value in self.empty_values:
            return super().to_python(value)
        try:
            return parse_object(str(value).encode())
        except InvalidBody as error:
            said = error.message.replace("The body", "The text")
            raise forms.ValidationError(said) from None
        except UnicodeEncodeError:
            raise forms.ValidationError("The text is no Unicode.") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        # As it was typed: to show it again nobody need understand it.
        return initial if self.disabled or data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        return json.dumps(value, ensure_ascii=False, indent=2)


class LinesField(forms.CharField):
    """A list of phrases, one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (super().to_python(value) or "").splitlines())
        return [line for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.to_python(data)


class ActionForm(TenantForm):
    parameters = ParametersField(
        widget=forms.Textarea(attrs={"rows": 14, "class": "vLargeTextField"}),
        initial=no_parameters,
        help_text=Action._meta.get_field("parameters").help_text,
    )
    examples = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField"}),
        help_text=f"{Action._meta.get_field('examples').help_text} One a line.",
    )

    class Meta:
        error_messages = {
            "kind": {
                "invalid_choice": Action._meta.get_field("kind").error_messages[
                    "invalid_choice"
                ]
            }
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        # The agent of an action that is changed is not in the form, so the constraint
        # on both is not looked at.
        namesakes = Action.objects.filter(
            agent=self.instance.agent_id, name=cleaned.get("name")
        )
        if self.instance.pk and namesakes.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "The agent has an action of this name already.")
        return cleaned


@admin.register(Action)
class ActionAdmin(TenantAdmin):
    form = ActionForm
    fields = (
        "workspace",
        "agent",
        "name",
        "kind",
        "description",
        "parameters",
        "examples",
        "reply",
        "enabled",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("created_at", "updated_at")
    autocomplete_fields = ("workspace", "agent")
    list_display = ("name", "id", "agent", "workspace", "kind", "enabled")
    list_filter = ("enabled", "kind")
    list_select_related = ("agent", "workspace")
    search_fields = ("name", "=id", "agent__name", "workspace__name")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["agent"] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]


class PictureField(forms.FileField):
    """A picture that is drawn anew, as the API does."""

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if not isinstance(file, UploadedFile):
            return file
        try:
            return pictures.as_file(pictures.redraw(file.read()))
        except pictures.NotAPicture as reason:
            raise forms.ValidationError(str(reason)) from None


class WidgetForm(TenantForm):
    """What may stand in it is what the API takes."""

    initial_messages = LinesField(required=False, help_text="One a line.")
    suggested_messages = LinesField(required=False, help_text="One a line.")
    domains = LinesField(
        required=False, help_text="One a line: example.com, *.example.com."
    )
    styles = ParametersField(
        required=False, widget=forms.Textarea(attrs={"rows": 10}), initial=dict
    )
    lead_form = ParametersField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        initial=dict,
        help_text=Widget._meta.get_field("lead_form").help_text,
    )
    icon = PictureField(required=False, help_text="Square, less than 1 MB.")
    profile_picture = PictureField(required=False, help_text="Square, less than 1 MB.")

    def clean_initial_messages(self) -> Any:
        return self._as_the_api_takes("initial_messages", "initialMessages")

    def clean_suggested_messages(self) -> Any:
        return self._as_the_api_takes("suggested_messages", "suggestedMessages")

    def clean_domains(self) -> Any:
        return self._as_the_api_takes("domains", "domains")

    def clean_ip_limit(self) -> Any:
        return self._as_the_api_takes("ip_limit", "ipLimit")

    def clean_ip_limit_timeframe(self) -> Any:
        return self._as_the_api_takes("ip_limit_timeframe", "ipLimitTimeframe")

    def clean_styles(self) -> Any:
        styles = self._as_the_api_takes("styles", "styles")
        return widgets.merged({}, styles or {})

    def clean_lead_form(self) -> Any:
        form = self._as_the_api_takes("lead_form", "collectCustomerInformation")
        return widgets.merged({}, form or {})

    def _as_the_api_takes(self, name: str, field: str) -> Any:
        try:
            return (
                ChatbotSettings().fields[field].run_validation(self.cleaned_data[name])
            )
        except serializers.ValidationError as flaw:
            raise forms.ValidationError(
                InvalidBody({"": flaw.detail}).message
            ) from None


@admin.register(Widget)
class WidgetAdmin(TenantAdmin):
    form = WidgetForm
    fields = (
        "workspace",
        "agent",
        "initial_messages",
        "suggested_messages",
        "domains",
        "only_allowed_domains",
        "ip_limit",
        "ip_limit_timeframe",
        "ip_limit_message",
        "styles",
        "lead_form",
        "icon",
        "profile_picture",
        "updated_at",
    )
    readonly_fields = ("updated_at",)
    autocomplete_fields = ("workspace", "agent")
    list_display = ("agent", "id", "workspace", "only_allowed_domains", "updated_at")
    list_filter = ("only_allowed_domains",)
    list_select_related = ("agent", "workspace")
    search_fields = ("=id", "agent__name", "workspace__name")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["agent"] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    def save_model(
        self, request: HttpRequest, obj: Widget, form: forms.ModelForm, change: bool
    ) -> None:
        if not change:
            obj.save()
        elif form.changed_data:
            obj.save(update_fields=[*form.changed_data, "updated_at"])
        for kind in {"icon", "profile_picture"} & set(form.changed_data):
            if former := form.initial.get(kind):
                transaction.on_commit(partial(pictures.remove, former.name))

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """With it the secret would go that its sites sign their visitors with."""
        return False
