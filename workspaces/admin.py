from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import models
from django.http import HttpRequest

from bookbag.admin import CappedPaginator, ReadOnlyAdmin, StaffAdmin, TenantAdmin
from workspaces.models import Invitation, Member, Role, User, Workspace


class LowerEmail(forms.EmailField):
    def clean(self, value: Any) -> str:
        return super().clean(value).lower()


class NewUserForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")
        field_classes = {"email": LowerEmail}


class UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"  # the fieldsets below say which
        field_classes = {"email": LowerEmail}


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    form = UserForm
    add_form = NewUserForm
    paginator = CappedPaginator
    show_full_result_count = False
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("date_joined", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {"fields": ("email", "name", "usable_password", "password1", "password2")},
        ),
    )
    filter_horizontal = ("groups",)

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        """A member is switched off, not deleted: what they did keeps their name."""
        if obj is not None and obj.memberships.exists():
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # asks nobody about members
        return actions


class MemberInline(admin.TabularInline):
    """To be seen here, and changed on the member's own page, which knows the rules."""

    model = Member
    fields = readonly_fields = ("user", "role", "created_at")
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Member]:
        return super().get_queryset(request).select_related("user")


class NewWorkspaceForm(forms.ModelForm):
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        widget=AutocompleteSelect(Member._meta.get_field("user"), admin.site),
        help_text="A workspace is never without one.",
    )

    class Meta:
        model = Workspace
        fields = ("name",)


@admin.register(Workspace)
class WorkspaceAdmin(StaffAdmin):
    list_display = ("name", "id", "created_at")
    search_fields = ("name", "=id")
    readonly_fields = ("created_at",)

    def get_form(
        self, request: HttpRequest, obj: Workspace | None = None, **kwargs: Any
    ) -> type[forms.ModelForm]:
        if obj is None:
            kwargs["form"] = NewWorkspaceForm
        return super().get_form(request, obj, **kwargs)

    def get_fields(
        self, request: HttpRequest, obj: Workspace | None = None
    ) -> tuple[str, ...]:
        return ("name", "created_at") if obj else ("name", "owner")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Workspace | None = None
    ) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_inlines(
        self, request: HttpRequest, obj: Workspace | None
    ) -> list[type[admin.TabularInline]]:
        return [MemberInline] if obj else []

    def save_model(
        self, request: HttpRequest, obj: Workspace, form: forms.ModelForm, change: bool
    ) -> None:
        if change:
            obj.save(update_fields=["name"])
        else:
            founded = Workspace.objects.found(
                obj.name, owner=form.cleaned_data["owner"]
            )
            obj.pk = founded.pk

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        """It takes conversations, ledger and audit trail with it: not with a click."""
        return False


class MemberForm(forms.ModelForm):
    def clean_role(self) -> str:
        role = self.cleaned_data["role"]
        if self.instance.pk and role != Role.OWNER and is_last_owner(self.instance):
            raise forms.ValidationError("A workspace keeps at least one owner.")
        return role


@admin.register(Member)
class MemberAdmin(TenantAdmin):
    form = MemberForm
    actions = None  # deleting many could take the last owner
    fields = ("workspace", "user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("workspace", "user")
    list_display = ("user", "workspace", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "workspace")
    search_fields = ("user__email", "user__name", "workspace__name")

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> list[str]:
        fixed = ["user"] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    def has_delete_permission(
        self, request: HttpRequest, obj: Member | None = None
    ) -> bool:
        if obj is not None and is_last_owner(obj):
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Made by members, who get the link; here one can be taken back."""

    fields = (
        "workspace",
        "email",
        "role",
        "invited_by",
        "created_at",
        "expires_at",
        "accepted_at",
    )
    list_display = ("email", "workspace", "role", "expires_at", "accepted_at")
    list_filter = ("role",)
    list_select_related = ("workspace",)
    search_fields = ("email", "workspace__name")

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, *args)


def is_last_owner(member: Member) -> bool:
    others = Member.objects.for_workspace(member.workspace_id).exclude(pk=member.pk)
    was = Member.objects.filter(pk=member.pk, role=Role.OWNER).exists()
    return was and not others.filter(role=Role.OWNER).exists()
