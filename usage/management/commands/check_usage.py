"""Holds the roll-ups of usage against the ledger."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookbag.database import require_migrated
from usage import rollups


class Command(BaseCommand):
    help = "Say whether the roll-ups of usage agree with the ledger, and where not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild", action="store_true", help="first make them anew from it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_migrated()
        if options["rebuild"]:
            rollups.rebuild()
        differences = rollups.differences()
        if not differences:
            self.stdout.write("The roll-ups agree with the ledger.")
            return
        lines = [
            f"  {day}: workspace {workspace}, agent {agent}, key {key or 'none'}:"
            f" {replies:+d} replies, {tokens_in:+d} and {tokens_out:+d} tokens,"
            f" {credits:+d} credits"
            for workspace, day, agent, key, *off in differences
            for replies, tokens_in, tokens_out, credits in [map(int, off)]
        ]
        raise CommandError(
            "The roll-ups do not agree with the ledger, which has\n"
            + "\n".join(lines)
            + "\n`manage.py check_usage --rebuild` makes them anew."
        )
