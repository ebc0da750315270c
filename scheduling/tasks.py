"""What Celery runs: read the clock, call one function. A tick says “look now” and nothing else."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from clinic import idempotency

from . import booking, outbox, replanning, transport

log = logging.getLogger("scheduling.tasks")

KEYS_KEPT = timedelta(days=7)  # a repeated request comes within seconds; the draft asks for a day or more
DELIVERS_FOR_SECONDS = 50.0  # well within the task's time limits; the next tick goes on


@shared_task(name="scheduling.tasks.deliver_due")
def deliver_due() -> None:
    """Send everything that is due. Any number of these may run at once: each claims its own rows."""
    until = time.monotonic() + DELIVERS_FOR_SECONDS
    with closing(transport.from_settings()) as line:
        while time.monotonic() < until:
            if not outbox.deliver_due(timezone.now(), transport=line).claimed:
                return


@shared_task(name="scheduling.tasks.sweep")
def sweep() -> None:
    """Do what no act does: recalls, requests to call, expired reservations, old bodies; and say when mail is stuck."""
    now = timezone.now()
    booking.release_expired_reservations(now=now)
    outbox.promise_recalls(now)
    outbox.ask_for_calls(now)
    outbox.purge(now=now)
    idempotency.forget_before(now - KEYS_KEPT)
    if overdue := outbox.overdue_count(now):
        log.error("%d messages are due and not sent: see `manage.py outbox status`", overdue)


@shared_task(name="scheduling.tasks.look_again")
def look_again() -> None:
    """Look at courses that others were changing when something happened. Searching may take a while: not in `sweep`."""
    replanning.look_again(timezone.now())
