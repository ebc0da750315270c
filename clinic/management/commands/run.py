"""`manage.py run`: the whole service on this machine, until Ctrl-C. `make run` is this."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from clinic import embedded, supervisor


class Command(BaseCommand):
    help = "Run the whole service: database, broker, web, workers and beat."
    requires_system_checks: list[str] = []  # the database may not be there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--end-with-starter",
            type=int,
            metavar="PID",
            help="end when the process PID, which started this one, ends in whatever way (make passes its own)",
        )

    def handle(self, *_: Any, end_with_starter: int | None, **__: Any) -> None:
        if end_with_starter is not None:
            embedded.ask_kernel_to_end_with_parent(signal.SIGTERM)
            if os.getppid() != end_with_starter:  # it ended before we could ask
                return
        sys.exit(supervisor.run(self._say))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
