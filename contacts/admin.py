from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from bookbag.admin import ReadOnlyAdmin, StaffAdmin, TenantAdmin, TenantForm
from contacts import attributes, records
from contacts.models import Contact, ContactCount, CustomAttribute, Lead


@admin.register(Contact)
class ContactAdmin(ReadOnlyAdmin):
    """The customer's own records, which its programs write; but whoever is in them may
    want to be forgotten."""

    list_display = ("__str__", "id", "external_id", "email", "agent", "workspace")
    list_select_related = ("agent", "workspace")
    search_fields = ("=id", "=external_id", "=email_key", "name", "workspace__name")
    search_help_text = "An id, a whole e-mail in lower case, or a part of a name."
    ordering = ("-id",)  # the primary key: no table is sorted for a page

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return StaffAdmin.has_delete_permission(self, request, *args)

    def delete_model(self, request: HttpRequest, contact: Contact) -> None:
        with suppress(records.Gone):
            records.delete(contact)


@admin.register(ContactCount)
class ContactCountAdmin(ReadOnlyAdmin):
    list_display = ("id", "workspace", "agent_id", "bits", "block", "total")
    list_select_related = ("workspace",)
    search_fields = ("=agent_id",)
    ordering = ("-id",)


class CustomAttributeForm(TenantForm):
    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.lower() in attributes.RESERVED:
            raise forms.ValidationError("This is reserved: every contact has it.")
        return name


@admin.register(CustomAttribute)
class CustomAttributeAdmin(TenantAdmin):
    form = CustomAttributeForm
    fields = (
        "workspace",
        "agent",
        "name",
        "label",
        "type",
        "description",
        "archived",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("created_at", "updated_at")
    autocomplete_fields = ("workspace", "agent")
    list_display = ("name", "id", "label", "type", "agent", "workspace", "archived")
    list_filter = ("type", "archived")
    list_select_related = ("agent", "workspace")
    search_fields = ("name", "label", "=id", "agent__name", "workspace__name")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["agent", "name", "type"] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    def save_model(
        self,
        request: HttpRequest,
        obj: CustomAttribute,
        form: forms.ModelForm,
        change: bool,
    ) -> None:
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            attributes.change(obj, **changes)
        else:
            obj.save()

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Archive it: contacts have values of it."""
        return False


@admin.register(Lead)
class LeadAdmin(ReadOnlyAdmin):
    """Nobody's to rewrite; but who left their details may want them gone."""

    list_display = ("__str__", "email", "phone", "agent", "workspace", "created_at")
    list_select_related = ("agent", "workspace")
    search_fields = ("=id", "name", "email", "phone", "fields", "workspace__name")
    ordering = ("-id",)  # the primary key: no table is sorted for a page

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return StaffAdmin.has_delete_permission(self, request, *args)
