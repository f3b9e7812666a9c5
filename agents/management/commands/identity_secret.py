"""Prints the secret with which a site signs its users' ids for an agent, alone, on
standard output."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents import identity
from agents.models import Agent
from bookbag import vault
from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id
from bookbag.database import require_migrated


class Command(BaseCommand):
    help = (
        "Print an agent's identity secret, with which your site signs its users' ids."
        " It is made when it is first asked for."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--agent", required=True, help="the agent's number")
        parser.add_argument(
            "--rotate",
            action="store_true",
            help="make a new one; what the old one has signed is not believed any more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_migrated()
        try:
            number = parse_path_id(options["agent"])
        except NotFound:
            raise CommandError("Name an agent by its number: --agent 1") from None
        agent = Agent.objects.existing().filter(pk=number).first()
        if agent is None:
            raise CommandError(f"There is no agent {number}.")
        give = identity.rotate if options["rotate"] else identity.secret_of
        try:
            self.stdout.write(give(agent))
        except vault.Unreadable as problem:
            raise CommandError(str(problem)) from None
