from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from agents.models import Agent
from apikeys.models import Access, Environment
from workspaces.models import Workspace


class KeyForm(forms.Form):
    label = forms.CharField(
        max_length=80,
        help_text="What will use it, so that you know what breaks without it.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "placeholder": "Production backend"}
        ),
    )
    agent = forms.ModelChoiceField(
        Agent.objects.none(), required=False, empty_label="Every agent, later ones too"
    )
    access = forms.ChoiceField(
        choices=[(Access.FULL, "Chat and read"), (Access.READ, "Read only")],
        initial=Access.FULL,
    )
    environment = forms.ChoiceField(
        choices=[(Environment.LIVE, "Live"), (Environment.TEST, "Test")],
        initial=Environment.LIVE,
        help_text="Both work alike. Conversations of test keys are labelled.",
    )
    expires = forms.TypedChoiceField(
        choices=[
            ("", "Never"),
            ("30", "In 30 days"),
            ("90", "In 90 days"),
            ("365", "In a year"),
        ],
        coerce=int,
        empty_value=None,
        required=False,
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        agents = Agent.objects.for_workspace(workspace).existing()
        self.fields["agent"].queryset = agents  # type: ignore[attr-defined]

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["expires"]
        return timezone.now() + timedelta(days=days) if days else None


class RotateForm(forms.Form):
    grace = forms.TypedChoiceField(
        label="The old key stops working",
        choices=[
            ("0", "Now"),
            ("1", "In an hour"),
            ("24", "In 24 hours"),
            ("168", "In 7 days"),
        ],
        coerce=lambda hours: timedelta(hours=int(hours)),
        initial="24",
        help_text="Time to put the new key in place; both work until then.",
    )
