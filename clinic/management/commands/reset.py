"""`manage.py reset`: throw the local data away. `make reset` is this."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic import supervisor


class Command(BaseCommand):
    help = "Throw away the embedded database, the broker's data, mail and logs in DATA_DIR."
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        try:
            supervisor.reset(Path(settings.DATA_DIR), self.stdout.write)
        except supervisor.CannotRun as refusal:
            raise CommandError(str(refusal)) from None
