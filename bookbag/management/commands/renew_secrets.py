from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents import identity

# What is encrypted by bookbag.vault: its name, and what renews all of it.
STORES = [("identity secret", identity.renew_all)]


class Command(BaseCommand):
    help = (
        "Encrypts all secrets under the first key of BOOKBAG_SECRETS_KEYS. Run it when"
        " every process has a new key in front; then the old one can be dropped."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        lost = []
        for name, renew_all in STORES:
            renewed, unreadable = renew_all()
            self.stdout.write(f"{_counted(renewed, name)} renewed.")
            if unreadable:
                lost.append(_counted(unreadable, name))
        if lost:
            raise CommandError(
                f"{', '.join(lost)} cannot be read with the keys of"
                " BOOKBAG_SECRETS_KEYS, and stay as they are."
            )


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
