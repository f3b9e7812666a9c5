"""Whose is it, and who may."""

import hashlib
import secrets
from datetime import timedelta
from typing import Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from bookbag.tenancy import TenantModel, TenantQuerySet

INVITATION_LIFE = timedelta(hours=24)


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, email: str, password: str | None = None, **fields: object
    ) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, email: str, password: str | None = None, **fields: object
    ) -> "User":
        return self.create_user(
            email, password, **{**fields, "is_staff": True, "is_superuser": True}
        )

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an e-mail address."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField(
        "staff", default=False, help_text="May open Django admin."
    )
    is_active = models.BooleanField(
        "active", default=True, help_text="Switch off instead of deleting the account."
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email",
                violation_error_message="There is an account with this address.",
            )
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return (self.name or self.email).split()[0]


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def of(self, user: User) -> Self:
        """The workspaces that the user is a member of."""
        return self.filter(members__user=user)


class WorkspaceManager(models.Manager.from_queryset(WorkspaceQuerySet)):  # type: ignore[misc]
    def found(self, name: str, *, owner: User) -> "Workspace":
        """A new workspace with its first owner; it is never without one."""
        with transaction.atomic():
            workspace: Workspace = self.create(name=name)
            Member.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
        return workspace


class Workspace(models.Model):
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WorkspaceManager()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; each may all that those above may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def covers(self, needed: "Role") -> bool:
        return self.rank >= needed.rank


class LastOwner(Exception):
    """The workspace would be left without an owner."""


class Member(TenantModel):
    """A user's place in a workspace."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="members"
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["workspace", "user"],
                name="member_once",
                violation_error_message="This person is a member already.",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="member_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"

    def may(self, needed: Role) -> bool:
        return Role(self.role).covers(needed)

    def change_role(self, role: Role) -> None:
        """Raises LastOwner where nobody else owns the workspace."""
        with transaction.atomic():
            self._keep_an_owner(unless=role == Role.OWNER)
            self.role = role
            self.save(update_fields=["role"])

    def leave(self) -> None:
        """Raises LastOwner where nobody else owns the workspace."""
        with transaction.atomic():
            self._keep_an_owner(unless=False)
            self.delete()

    def _keep_an_owner(self, *, unless: bool) -> None:
        # Owners who leave together take turns here; the database has the last word.
        Workspace.objects.select_for_update().get(pk=self.workspace_id)
        others = Member.objects.for_workspace(self.workspace_id).exclude(pk=self.pk)
        if not unless and not others.filter(role=Role.OWNER).exists():
            raise LastOwner("A workspace keeps at least one owner.")


class InvitationQuerySet(TenantQuerySet["Invitation"]):
    def open(self) -> Self:
        return self.filter(accepted_at=None, expires_at__gt=timezone.now())

    def issue(
        self, workspace: Workspace, *, email: str, role: Role, invited_by: User
    ) -> tuple["Invitation", str]:
        """The invitation and its token; the token is nowhere else."""
        token = secrets.token_urlsafe(32)
        invitation = self.create(
            workspace=workspace,
            email=email.lower(),
            role=role,
            invited_by=invited_by,
            token_digest=Invitation.digest(token),
            expires_at=timezone.now() + INVITATION_LIFE,
        )
        return invitation, token

    def with_token(self, token: str) -> "Invitation | None":
        """The open invitation that the token stands for."""
        return self.open().filter(token_digest=Invitation.digest(token)).first()


class Invitation(TenantModel):
    """A member to be. The role is the row's: what a form says does not count."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="invitations"
    )
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=Role.choices)
    token_digest = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="invitation_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"

    @staticmethod
    def digest(token: str) -> bytes:
        return hashlib.sha256(token.encode()).digest()

    def accept(self, user: User) -> Member:
        """Makes the user a member, once, at any number of clicks."""
        with transaction.atomic():
            taken = (
                Invitation.objects.open()
                .filter(pk=self.pk, email__iexact=user.email)
                .update(accepted_at=timezone.now())
            )
            if not taken:
                raise Invitation.DoesNotExist("This invitation is not open to you.")
            return Member.objects.create(
                workspace_id=self.workspace_id, user=user, role=self.role
            )
