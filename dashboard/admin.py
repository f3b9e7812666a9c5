"""The staff admin's door, and API keys in it: minting a key leaves an audit event, and
`apikeys`, which is below `usage`, cannot know of those."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables

from apikeys.models import MAX_KEYS, ApiKey
from bookbag.admin import TenantAdmin, TenantForm
from dashboard.keys import minting

# Staff sign in where everybody does, with the same limit on guessing.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = "Bookbag staff"
admin.site.site_title = "Bookbag staff"
admin.site.index_title = "All workspaces"


class KeyForm(TenantForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        workspace = cleaned.get("workspace")
        if workspace and self.instance.pk is None and _is_full(workspace):
            self.add_error("workspace", f"It has {MAX_KEYS} keys. Revoke one first.")
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(TenantAdmin):
    """A key is made and revoked here; what it may do is fixed when it is made."""

    form = KeyForm
    list_display = (
        "label",
        "prefix",
        "workspace",
        "agent",
        "access",
        "environment",
        "is_live",
        "last_used_at",
    )
    list_filter = ("environment", "access")
    list_select_related = ("workspace", "agent")
    search_fields = ("label", "=prefix", "workspace__name", "agent__name")
    autocomplete_fields = ("workspace", "agent")
    actions = ("revoke",)
    chosen = (
        "workspace",
        "agent",
        "label",
        "environment",
        "access",
        "rate_limit",
        "expires_at",
    )
    told = ("prefix", "created_by", "created_at", "last_used_at", "revoked_at")

    def get_fields(
        self, request: HttpRequest, obj: ApiKey | None = None
    ) -> tuple[str, ...]:
        return (*self.chosen, *self.told) if obj else self.chosen

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> list[str]:
        fixed = ["agent", "environment", "access", *self.told] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    @sensitive_variables("secret")
    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool
    ) -> None:
        if change:
            minting.change(obj, fields=form.changed_data, by=request.user)
            return
        key, secret = minting.mint(
            obj.workspace,
            by=request.user,
            label=obj.label,
            agent=obj.agent,
            environment=obj.environment,
            access=obj.access,
            expires_at=obj.expires_at,
        )
        if obj.rate_limit is not None:
            key.rate_limit = obj.rate_limit
            key.save(update_fields=["rate_limit"])
        for field in ApiKey._meta.concrete_fields:
            setattr(obj, field.attname, getattr(key, field.attname))
        request.new_secret = secret  # type: ignore[attr-defined]  # for response_add

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows the secret, this once."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Copy the new key",
            "key": obj,
            "secret": request.new_secret,  # type: ignore[attr-defined]
        }
        response = render(request, "admin/apikeys/apikey/created.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(boolean=True, description="live")
    def is_live(self, key: ApiKey) -> bool:
        return key.is_live

    @admin.action(
        description="Revoke: they open nothing from now on", permissions=["change"]
    )
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[ApiKey]) -> None:
        for key in queryset:
            minting.revoke(key, by=request.user)
        self.message_user(request, f"Revoked: {len(queryset)}.")

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """A key is revoked, and stays to be seen."""
        return False


def _is_full(workspace: models.Model) -> bool:
    return ApiKey.objects.for_workspace(workspace).live().count() >= MAX_KEYS
