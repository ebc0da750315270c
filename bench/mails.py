"""Reminders from claim to sent against a bare SMTP loop of equal bytes, and the claim by itself."""

from __future__ import annotations

import email
import email.policy
import smtplib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from scheduling import outbox
from scheduling.models import Appointment, Message, MessageKind, MessageState
from scheduling.outbox import deliver, render
from scheduling.outbox.texts import Library
from scheduling.transport import SmtpTransport

from . import servers
from .measure import Figure, Goal, Run, in_turn, statements
from .people import Desk
from .stock_mail import Stock

ROUNDS, WORKERS, BATCH = 3, 2, 100
CLAIMS, CLAIM_ROUNDS = 20_000, 20
BUILT = 100

# All reminders are due again, as promised; one of each course follows one of each other, as on any morning.
DUE_AGAIN = """
    UPDATE scheduling_message m
    SET state = 'pending', state_reason = '', attempts = 0, content = NULL, message_id = NULL, dated_at = NULL,
        recipient = '', language = '', dotted_at = NULL, sent_at = NULL, next_try_at = NULL, lease_owner = NULL,
        lease_until = NULL, last_reply = '', due_at = %s - interval '1 hour' + place * interval '1 second'
    FROM (SELECT id, row_number() OVER (PARTITION BY course_id ORDER BY id) AS place
          FROM scheduling_message WHERE kind = 'reminder') r
    WHERE r.id = m.id
"""
MANY = """
    INSERT INTO scheduling_message (uid, kind, dedupe_key, patient_id, site_id, days, promised_at, due_at, expires_at,
        state, state_reason, attempts, last_reply, recipient, language)
    SELECT gen_random_uuid(), 'recall', 'bench:' || n, %(patient)s, %(site)s, 0, %(now)s,
           %(now)s - n * interval '1 second', %(now)s + interval '1 day', 'pending', '', 0, '', '', ''
    FROM generate_series(1, %(number)s) n
"""
BARE_CLAIM = """
    UPDATE scheduling_message SET state = 'sending', lease_owner = %s, lease_until = now() + interval '30 seconds'
    WHERE id IN (SELECT id FROM scheduling_message
                 WHERE state IN ('pending', 'sending') AND COALESCE(next_try_at, due_at) <= %s AND state = 'pending'
                 ORDER BY COALESCE(next_try_at, due_at), id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING id
"""


def figures(desk: Desk) -> Iterator[Figure]:
    now = desk.now + timedelta(hours=2)  # outside the hours without mail
    Message.objects.exclude(kind=MessageKind.REMINDER).update(state=MessageState.PARKED)
    with servers.mail_server() as port:
        yield from _delivery(port, now)
    yield _building()
    yield _claim(desk, now)


def deliver_all(port: int, now: datetime) -> int:
    """Send everything that is due through one connection, as a worker does, and say how many were sent."""
    line, sent = SmtpTransport("127.0.0.1", port), 0
    try:
        while (done := outbox.deliver_due(now, transport=line, limit=BATCH)).claimed:
            sent += done.sent
    finally:
        line.close()
    return sent


def _delivery(port: int, now: datetime) -> Iterator[Figure]:
    due = Message.objects.filter(kind=MessageKind.REMINDER).count()

    def make_due() -> None:
        with connection.cursor() as cursor:
            cursor.execute(DUE_AGAIN, [now])

    def one_worker(_: None) -> None:
        sent = deliver_all(port, now)
        assert sent == due, f"{sent} of {due} reminders were sent"

    asked = statements(Run(one_worker, make_due))
    mails = [
        (site.sender_email, message.recipient, bytes(message.content or b""))
        for message in Message.objects.filter(kind=MessageKind.REMINDER).select_related("site")
        for site in (message.site,)
    ]

    def bare(_: None) -> None:
        with smtplib.SMTP("127.0.0.1", port, "localhost") as line:
            for sender, recipient, content in mails:
                line.sendmail(sender, [recipient], content)

    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(port, now)) for _ in range(WORKERS)]

        def all_workers(_: None) -> None:
            for worker in workers:
                worker.stdin.write("go\n")
                worker.stdin.flush()
            sent = sum(int(worker.stdout.readline()) for worker in workers)
            assert sent == due, f"{sent} of {due} reminders were sent"

        reference, one, several = in_turn(
            Run(bare), Run(one_worker, make_due), Run(all_workers, make_due), rounds=ROUNDS
        )
    size = sum(len(content) for *_, content in mails) / len(mails) / 1000
    what = f"reminders of {size:.1f} kB, claim to sent"
    bare_rate = due / reference
    each = f"{asked / due:.1f} a mail"
    yield Figure(f"{what}, one process (bare: smtplib, one connection)", due / one, bare_rate, "per s", None, each)
    goal = Goal(0.6, is_rate=True, name="(G11)")
    yield Figure(f"{what}, two processes", due / several, bare_rate, "per s", goal, each)


@contextmanager
def _worker(port: int, now: datetime) -> Iterator[Any]:
    """Run a process that sends what is due each time it is told to, and prints how many it sent."""
    command = [sys.executable, "-m", "bench.mail_worker", str(port), now.isoformat()]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=servers.PROJECT, **pipes) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def _building() -> Figure:
    """Write reminders whose rows are at hand, and compare what people would read."""
    stock, library = Stock(), Library()
    rows = (
        Message.objects.filter(kind=MessageKind.REMINDER)
        .select_related("patient", "site", "course__version")
        .prefetch_related("visits__appointment__site")[:BUILT]
    )
    known = [(message, told.appointment) for message in rows for told in message.visits.all()]

    def build(message: Message, visit: Appointment) -> bytes:
        site, spoken = message.site, [render.Spoken(visit)]
        protocol = message.course.version.protocol_id if message.course else None
        wording = library.wording(message.kind, protocol, (message.patient.language, site.language))
        content = render.content_of(wording, patient=message.patient, site=site, visits=spoken)
        return render.mail_of(message, content, language=wording.language, visits=spoken)

    assert _as_read(stock.build(*known[0])) == _as_read(build(*known[0]))
    reference, ours = in_turn(
        Run(lambda _: [stock.build(*one) for one in known]), Run(lambda _: [build(*one) for one in known])
    )
    each = 1000 / len(known)
    name = "write one reminder: text, HTML, calendar (bare: Django's templates and mail, icalendar)"
    return Figure(name, ours * each, reference * each, goal=Goal(0.5, name="(G12)"), statements="0")


def _as_read(content: bytes) -> tuple[str, str]:
    """Return subject and text of a mail."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    return str(mail["Subject"]), body.get_content().strip()


def _claim(desk: Desk, now: datetime) -> Figure:
    """Claim batch after batch of a queue that is long."""
    from patients.models import Patient

    with connection.cursor() as cursor:
        cursor.execute("UPDATE scheduling_message SET state = 'parked', lease_owner = NULL, lease_until = NULL")
        patient = Patient.objects.values_list("pk", flat=True)[0]
        cursor.execute(MANY, {"patient": patient, "site": desk.site.pk, "now": now, "number": CLAIMS})
        cursor.execute("ANALYZE scheduling_message")

    def bare(_: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(BARE_CLAIM, [uuid.uuid4(), now, BATCH])
            assert len(cursor.fetchall()) == BATCH

    def ours(_: None) -> None:
        assert len(deliver._claim(now, uuid.uuid4(), BATCH)) == BATCH  # noqa: SLF001  (the claim alone)

    reference, taken = in_turn(Run(bare), Run(ours), rounds=CLAIM_ROUNDS)
    goal = Goal(0.8, is_rate=True, name="(G10)")
    name = f"claim {BATCH} of {CLAIMS} due messages (bare: one statement)"
    return Figure(name, BATCH / taken, BATCH / reference, "per s", goal, "1")
