"""What Celery runs: read the clock, call one function. A tick says “look now” and nothing else."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from clinic import idempotency

from . import booking, marks, outbox, reexamination, replanning, transport, waitlist

log = logging.getLogger("scheduling.tasks")

KEYS_KEPT = timedelta(days=7)  # a repeated request comes within seconds; the draft asks for a day or more
MARKS_KEPT = timedelta(days=30)  # what jobs have done with them
EXAMINES_FOR_SECONDS = 50.0
DELIVERS_FOR_SECONDS = 50.0  # well within the task's time limits; the next tick goes on
WORKS_OUT_FOR_SECONDS = 300.0  # the same; a single proposal takes a minute, and what has no time is explained


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
    marks.forget_freed_before(now - MARKS_KEPT)
    marks.forget_examinations_before(now - MARKS_KEPT)
    idempotency.forget_before(now - KEYS_KEPT)
    if overdue := outbox.overdue_count(now):
        log.error("%d messages are due and not sent: see `manage.py outbox status`", overdue)


@shared_task(name="scheduling.tasks.work_out_proposals")
def work_out_proposals() -> None:
    """Work out what is to be proposed for whole sites, one after the other. A request already in work is left alone."""
    until = time.monotonic() + WORKS_OUT_FOR_SECONDS
    while time.monotonic() < until:
        if replanning.work_out_next(timezone.now()) is None:
            return


@shared_task(name="scheduling.tasks.offer_freed_times")
def offer_freed_times() -> None:
    """Offer what fell free to the waiting list, and what was not wanted to the next."""
    waitlist.offer_freed_times(timezone.now())


@shared_task(name="scheduling.tasks.examine")
def examine() -> None:
    """Look at visits to come: of every site once a night, and of whoever's hours or skills have changed."""
    until = time.monotonic() + EXAMINES_FOR_SECONDS
    reexamination.begin_nights(timezone.now())
    while time.monotonic() < until and reexamination.go_on(timezone.now()):
        pass
