"""Senders are killed, really: nothing is lost, and nothing is repeated but what a sender died over, byte for byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from clinic import localtime
from scheduling import outbox
from scheduling.models import Message
from scheduling.outbox import deliver
from scheduling.transport import SmtpTransport
from tests import smtp_sink

from .mail_clinic import MailClinic, cancelled, content_of, moved

pytestmark = pytest.mark.django_db(transaction=True)


def promised(count: int) -> None:
    """As many confirmations, due now."""
    clinic = MailClinic()
    now = timezone.now()
    on = localtime.local_date(now, clinic.zone) + timedelta(days=30)
    for _ in range(count):
        outbox.confirm(clinic.booked(on.isoformat(), booked_at=now), now=now)
    Message.objects.exclude(kind="confirmation").delete()


def database_url() -> str:
    """Return the test database as a URL that another process can use."""
    given = connection.get_connection_params()
    names = ("user", "password", "host", "port")
    return (
        f"postgresql:///{quote(given['dbname'])}?{urlencode({name: given[name] for name in names if given.get(name)})}"
    )


@contextmanager
def sender(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that delivers what is due, in a loop."""
    variables = os.environ | {"DATABASE_URL": database_url(), "EMAIL_URL": f"smtp://127.0.0.1:{port}"}
    command = [sys.executable, "manage.py", "outbox", "deliver", "--seconds", "120"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=variables, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def end_leases_of_the_dead() -> None:
    """Let the thirty seconds of those who died be over."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE scheduling_message SET lease_until = clock_timestamp() WHERE state = 'sending'")


def delivered(sink: smtp_sink.Sink, now: datetime) -> int:
    """Deliver once from this process, and return how many messages were claimed."""
    with closing(SmtpTransport("127.0.0.1", sink.port)) as line:
        return outbox.deliver_due(now, transport=line).claimed


def killed_and_started_again(count: int, kills: int, seed: int) -> tuple[Counter[str], int]:
    """Deliver mails by a sender that is killed at random moments; return copies per mail, and how many were excused."""
    chance = random.Random(seed)
    promised(count)
    with smtp_sink.running(seconds_per_mail=0.004) as sink:
        open_ended = set()
        for _ in range(kills):
            before = len(sink.taken)
            with sender(sink.port) as process:
                sink.wait_for(min(before + chance.randint(1, max(count // (kills + 1), 2)), count))
                time.sleep(chance.uniform(0, 0.02))  # where in a mail's way it dies is what is random here
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            open_ended |= set(
                Message.objects.filter(state="sending", dotted_at__isnull=False).values_list("message_id", flat=True)
            )
            end_leases_of_the_dead()
        while delivered(sink, timezone.now()):
            pass
        copies = Counter(str(taken.message["Message-ID"]) for taken in sink.taken)
        mails = {taken.content: taken.message for taken in sink.taken}.values()
        different = Counter(str(mail["Message-ID"]) for mail in mails)
    assert set(different.values()) == {1}, "a repeat differs from the first copy"
    unexcused = {name for name, number in copies.items() if number > 1} - open_ended
    assert unexcused == set(), "repeated though its sender had recorded it, or had not reached the dot"
    return copies, len(open_ended)


def settled() -> list[tuple[str, int]]:
    return sorted(Counter(Message.objects.values_list("state", flat=True)).items())


def test_a_sender_killed_at_random_moments_loses_nothing_and_repeats_only_what_it_died_over():
    copies, _open = killed_and_started_again(40, kills=4, seed=7)

    assert (len(copies), settled()) == (40, [("sent", 40)])


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(6))
def test_the_same_for_long(seed):
    copies, _open = killed_and_started_again(250, kills=20, seed=seed)

    assert (len(copies), settled()) == (250, [("sent", 250)])


def test_two_senders_at_once_send_everything_once():
    promised(60)
    with smtp_sink.running() as sink:

        def work(_number: int) -> int:
            sent = 0
            with closing(SmtpTransport("127.0.0.1", sink.port)) as line:
                while (done := outbox.deliver_due(timezone.now(), transport=line, limit=7)).claimed:
                    sent += done.sent
            connections.close_all()
            return sent

        with ThreadPoolExecutor(max_workers=3) as pool:
            sent = list(pool.map(work, range(3)))
        copies = Counter(str(taken.message["Message-ID"]) for taken in sink.taken)

    assert (sum(sent), len(copies), set(copies.values())) == (60, 60, {1})


def test_the_lease_of_a_sender_that_waits_for_an_answer_is_renewed(monkeypatch):
    monkeypatch.setattr(deliver, "RENEWED_EVERY_SECONDS", 0.05)
    promised(1)
    with smtp_sink.running(seconds_per_mail=0.6) as sink:
        seen = []

        def look() -> None:
            """See what others see while the sender waits, its lease cut short as if the server took very long."""
            while not Message.objects.filter(dotted_at__isnull=False).exists():
                time.sleep(0.01)
            end_leases_of_the_dead()
            time.sleep(0.2)
            seen.append(outbox.deliver_due(timezone.now()).claimed)
            connections.close_all()

        other = threading.Thread(target=look)
        other.start()
        delivered(sink, timezone.now())
        other.join()

    assert (seen, len(sink.taken), settled()) == ([0], 1, [("sent", 1)])


def test_a_promise_that_supersedes_does_not_wait_for_a_sender_nor_take_what_it_has():
    clinic = MailClinic()
    now = timezone.now()
    on = localtime.local_date(now, clinic.zone)
    (visit,) = clinic.booked((on + timedelta(days=30)).isoformat(), booked_at=now)
    course = visit.session.course
    outbox.announce_moves(course, [moved(visit, (on + timedelta(days=31)).isoformat(), "11:00")], now=now)
    deliver._claim(now + timedelta(minutes=4), uuid.uuid4(), 10)
    outbox.announce_moves(course, [moved(visit, (on + timedelta(days=32)).isoformat(), "11:00")], now=now)

    assert sorted(Message.objects.filter(kind="changed").values_list("state", flat=True)) == ["pending", "sending"]


def test_what_is_frozen_and_dotted_stays_as_it_is_when_the_lease_runs_out():
    promised(1)
    with smtp_sink.running() as sink:
        sink.after_data.append("drop")
        delivered(sink, timezone.now())
        frozen = content_of(Message.objects.get())
        delivered(sink, timezone.now() + timedelta(hours=1))

    assert [taken.content for taken in sink.taken] == [frozen]


def test_a_visit_called_off_in_the_middle_of_a_batch_is_not_confirmed():
    clinic = MailClinic()
    now = timezone.now()
    on = (localtime.local_date(now, clinic.zone) + timedelta(days=30)).isoformat()
    visits = [visit for _ in range(3) for visit in clinic.booked(on, booked_at=now)]
    for visit in visits:
        outbox.confirm([visit], now=now)
    with smtp_sink.running(seconds_per_mail=0.3) as sink:

        def call_off() -> None:
            sink.wait_for(1)
            cancelled(visits[2], now)
            connections.close_all()

        other = threading.Thread(target=call_off)
        other.start()
        delivered(sink, now)
        other.join()

    assert {taken.recipients[0] for taken in sink.taken} == {visit.patient.email for visit in visits[:2]}
