"""`manage.py busymap`: whether the cache of what is taken says what the occupancies say, and writing it anew."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from scheduling import booking


class Command(BaseCommand):
    help = "Compare the busy map with the occupancies (exit status 1 when it differs), or write anew what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["check", "rebuild"])

    def handle(self, *_: Any, action: str, **_options: Any) -> None:
        if action == "rebuild":
            self.stdout.write(f"{booking.rebuild_busy_map()} rows written anew")
        elif found := booking.busy_map_differences():
            for difference in found:
                self.stdout.write(str(difference))
            self.stdout.write("Write it anew with `manage.py busymap rebuild`; nobody has to stop working.")
            sys.exit(1)
        else:
            self.stdout.write("The busy map says what the occupancies say.")
