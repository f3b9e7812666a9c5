"""Brings a company's agents, conversations, leads and contacts from Chatbase."""

import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from apikeys.models import ApiKey
from bookbag.database import require_migrated
from imports import lock
from imports.chatbase import CHATBASE, Chatbase, SourceError
from imports.models import Kind
from imports.progress import printable, watcher_for
from imports.summary import CHANGED, COLUMNS, MADE, Summary
from imports.transfer import Transfer, TransferError, Watcher, Wish
from workspaces.models import Workspace

INTERRUPTED = 130  # the exit status of whoever was stopped with Ctrl-C


class Command(BaseCommand):
    help = (
        "Bring agents, custom attributes, contacts, conversations and leads from"
        " Chatbase, or from whatever has its API v1. It can be stopped at any moment"
        " and run again: it goes on where it was. Run it again later for what has come"
        " since; what is here already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="url",
            default=CHATBASE,
            metavar="URL",
            help=f"the address of the source's API (default: {CHATBASE})",
        )
        parser.add_argument(
            "--workspace", required=True, help="into which: its name, or its number"
        )
        key = parser.add_mutually_exclusive_group(required=True)
        key.add_argument(
            "--key-file",
            metavar="FILE",
            help="a file that has the source's API key and nothing else; - is the"
            " standard input",
        )
        key.add_argument(
            "--key-env",
            metavar="NAME",
            help="the environment variable that has it",
        )
        key.add_argument(
            "--key",
            help="the key itself. Everybody on this machine can read it in the list of"
            " processes, and your shell keeps it in its history: prefer a file",
        )
        parser.add_argument(
            "--agent",
            action="append",
            default=[],
            metavar="ID",
            help="only this agent, by the source's id of it; may be repeated",
        )
        parser.add_argument(
            "--only",
            type=_kinds,
            default=tuple(Kind),
            metavar="KINDS",
            help=f"only these, with commas between them: {', '.join(Kind.values)}",
        )
        parser.add_argument(
            "--since",
            type=_day,
            metavar="DATE",
            help="only conversations and leads that have begun on this day or later,"
            " as in 2026-01-31 (UTC)",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="read everything, write nothing, and say what would be done",
        )

    def handle(self, **options: Any) -> None:
        require_migrated()
        workspace = _workspace(options["workspace"])
        watcher = watcher_for(sys.stderr)
        secret = _key(options).strip()  # a file's last line ends
        try:
            source = Chatbase(
                options["url"],
                secret,
                waiting=lambda seconds, why: watcher.say(
                    f"Waiting {seconds:.0f} seconds: {why}."
                ),
            )
            self._check(source, secret, workspace, watcher)
            transfer = Transfer(
                workspace,
                source,
                Wish(
                    kinds=options["only"],
                    agents=options["agent"],
                    since=options["since"],
                ),
                watcher=watcher,
                write=not options["dry_run"],
            )
            summary = transfer.run()
        except (SourceError, TransferError) as problem:
            watcher.end()
            raise CommandError(printable(str(problem))) from None
        except lock.Busy:
            raise CommandError(
                f"Another import into “{workspace}” is running. Wait until it is over."
            ) from None
        except OperationalError as problem:
            watcher.end()
            reason = str(problem).strip().partition("\n")[0]
            raise CommandError(
                f"The database does not answer: {reason}. Run the same command again:"
                " it goes on where it was."
            ) from None
        except KeyboardInterrupt:
            watcher.end()
            raise CommandError(
                "Stopped. Run the same command again: it goes on where it was.",
                returncode=INTERRUPTED,
            ) from None
        self.stdout.write(_report(summary, workspace, dry_run=options["dry_run"]))

    def _check(
        self, source: Chatbase, secret: str, workspace: Workspace, watcher: Watcher
    ) -> None:
        own = ApiKey.objects.opened_by(secret)
        if own is not None and own.workspace == workspace:
            raise TransferError(
                f"This is a key of “{workspace}” itself, which would get everything"
                " twice. Give a key of the workspace that it is to come from."
            )
        if source.url.startswith("http://") and not source.is_near:
            watcher.say(
                "The address begins with http:// — the key and all that comes travel"
                " unencrypted."
            )


def _kinds(text: str) -> tuple[Kind, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in Kind.values:
            there = ", ".join(Kind.values)
            raise ArgumentTypeError(f"there is no “{name}”, only: {there}")
    return tuple(Kind(name) for name in names) or tuple(Kind)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"“{text}” is no day; one is written as in 2026-01-31"
        ) from None


def _key(options: dict[str, Any]) -> str:
    """Never in a message: whoever reads it need not have the key."""
    if (key := options["key"]) is not None:
        return str(key)
    if (name := options["key_env"]) is not None:
        if name not in os.environ:
            raise CommandError(f"There is no environment variable {name}.")
        return os.environ[name]
    path = options["key_file"]
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise CommandError(f"The key file {path} cannot be read: {reason}.") from None


def _workspace(wanted: str) -> Workspace:
    named = list(Workspace.objects.filter(name=wanted)[:2])
    if not named and re.fullmatch(r"[0-9]{1,18}", wanted):
        named = list(Workspace.objects.filter(pk=int(wanted)))
    if len(named) == 1:
        return named[0]
    some = Workspace.objects.order_by("pk")[:20]
    there = "\n".join(f"  {one.pk}  {one}" for one in some) or "  none"
    what = "Several workspaces are" if named else "No workspace is"
    raise CommandError(f"{what} called “{wanted}”. There are:\n{there}")


def _report(summary: Summary, workspace: Workspace, *, dry_run: bool) -> str:
    rows: list[tuple[str, ...]] = [("", *COLUMNS)]
    for name, counts in summary.counts.items():
        rows.append((name, *(f"{counts[column]:,}" for column in COLUMNS)))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [
                cell.rjust(width)
                for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
        ).rstrip()
        for row in rows
    ]
    if summary.remarks:
        lines.append("")
    for remark in summary.remarks.values():
        names = ", ".join(remark.examples)
        more = ", …" if remark.rows > len(remark.examples) > 0 else ""
        where = f" ({names}{more})" if names else ""
        lines.append(printable(f"{remark.kind}, {remark.rows:,}: {remark.text}{where}"))
    lines += ["", *_next_steps(summary, workspace, dry_run=dry_run)]
    return "\n".join(lines)


def _next_steps(summary: Summary, workspace: Workspace, *, dry_run: bool) -> list[str]:
    if dry_run:
        return ["Nothing was written: without --dry-run it would be."]
    if summary.counts[Kind.AGENTS][MADE]:
        return [
            "The agents know nothing yet: Chatbase's API does not give what they were"
            " trained on.",
            "Add their sources; then give your programs the new address and key.",
            "docs/importing-from-chatbase.md says what else stayed behind.",
        ]
    if any(one[MADE] or one[CHANGED] for one in summary.counts.values()):
        return [f"It is in “{workspace}” now."]
    return ["There was nothing new."]
