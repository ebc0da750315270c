"""`manage.py outbox`: what waits, what went, and the operator's hand on it."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count
from django.utils import timezone

from scheduling import outbox, transport
from scheduling.models import Message


class Command(BaseCommand):
    help = "Show the outbox, send what is due now, pause and go on, or store the shipped message texts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=sorted(ACTIONS))
        parser.add_argument("--seconds", type=float, default=0, help="deliver: keep looking for this long")
        parser.add_argument("--overwrite", action="store_true", help="load-texts: replace texts that were edited")

    def handle(self, *_: Any, action: str, **options: Any) -> None:
        for line in ACTIONS[action](options):
            self.stdout.write(line)


def status(_options: dict[str, Any]) -> list[str]:
    rows = Message.objects.order_by("state", "state_reason").values_list("state", "state_reason").annotate(Count("pk"))
    lines = [f"{count:8} {state}{f' ({reason})' if reason else ''}" for state, reason, count in rows]
    return [*lines, f"{outbox.overdue_count(timezone.now()):8} due but unsent for more than 5 minutes"]


def deliver(options: dict[str, Any]) -> list[str]:
    until = time.monotonic() + float(options["seconds"])
    sent = 0
    with closing(transport.from_settings()) as line:
        while True:
            done = outbox.deliver_due(timezone.now(), transport=line)
            sent += done.sent
            if not done.claimed:
                if time.monotonic() >= until:
                    return [f"{sent} sent"]
                time.sleep(0.2)


def load_texts(options: dict[str, Any]) -> list[str]:
    return [f"{outbox.load_texts(now=timezone.now(), overwrite=options['overwrite'])} texts written"]


def park(_options: dict[str, Any]) -> list[str]:
    return [f"{outbox.park(now=timezone.now())} messages parked: nothing of them leaves until `outbox unpark`"]


def unpark(_options: dict[str, Any]) -> list[str]:
    return [f"{outbox.unpark(now=timezone.now())} messages wait again"]


def retry_failed(_options: dict[str, Any]) -> list[str]:
    return [f"{outbox.retry_failed(now=timezone.now())} failed messages wait again"]


ACTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "status": status,
    "deliver": deliver,
    "load-texts": load_texts,
    "park": park,
    "unpark": unpark,
    "retry-failed": retry_failed,
}
