"""Mints an API key and prints it, alone, on standard output."""

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apikeys.models import Access, ApiKey, Environment, TooManyKeys
from bookbag.database import require_migrated
from workspaces.models import Workspace

# The model is above this room; the key's own column knows it.
AGENTS: Any = ApiKey._meta.get_field("agent").related_model


class Command(BaseCommand):
    help = "Create an API key. It is printed once and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--workspace", required=True, help="its name, or its number"
        )
        parser.add_argument(
            "--agent", help="the number of the one agent it opens (default: all)"
        )
        parser.add_argument(
            "--access",
            choices=Access.values,
            default=Access.FULL,
            help="“read” makes a key that changes nothing",
        )
        parser.add_argument(
            "--label",
            default="Created on the command line",
            help="what people recognise it by",
        )
        parser.add_argument(
            "--test",
            action="store_true",
            help="an oc_test_ key, whose conversations are labelled as tests",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_migrated()
        workspace = _workspace(options["workspace"])
        wanted = options["agent"]
        # An empty one is a script's unset variable: never a key for everything.
        agent = None if wanted is None else _agent(wanted, workspace)
        label = options["label"].strip()
        if not 1 <= len(label) <= 80:
            raise CommandError("A label has 1 to 80 characters.")
        try:
            _, secret = ApiKey.objects.issue(
                workspace,
                label=label,
                agent=agent,
                access=options["access"],
                environment=Environment.TEST if options["test"] else Environment.LIVE,
            )
        except TooManyKeys as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(secret)


def _workspace(wanted: str) -> Workspace:
    named = list(Workspace.objects.filter(name=wanted)[:2])
    if len(named) == 1:
        return named[0]
    if named:
        raise CommandError(
            f"Several workspaces are called “{wanted}”. Give one's number:\n"
            + _list(Workspace.objects.filter(name=wanted))
        )
    if (number := _number(wanted)) and (
        found := Workspace.objects.filter(pk=number).first()
    ):
        return found
    if not Workspace.objects.exists():
        raise CommandError(
            "There is no workspace yet. `manage.py seed_demo` makes one with an agent."
        )
    raise CommandError(
        f"There is no workspace “{wanted}”. There are:\n"
        + _list(Workspace.objects.all())
    )


def _agent(wanted: str, workspace: Workspace) -> Any:
    agents = AGENTS.objects.for_workspace(workspace).existing()
    if (number := _number(wanted)) and (found := agents.filter(pk=number).first()):
        return found
    if not agents.exists():
        raise CommandError(f"“{workspace.name}” has no agents.")
    raise CommandError(
        f"“{workspace.name}” has no agent “{wanted}”. It has:\n" + _list(agents)
    )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _list(rows: Any) -> str:
    most = 20
    lines = [f"  {row.pk}  {row}" for row in rows.order_by("pk")[: most + 1]]
    return "\n".join([*lines[:most], *(["  …"] if len(lines) > most else [])])
