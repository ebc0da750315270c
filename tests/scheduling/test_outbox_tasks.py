"""What Celery and the operator run: the tick, the sweep, and `manage.py outbox`."""

from __future__ import annotations

import logging
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from scheduling import outbox, tasks
from scheduling.models import Message

from .mail_clinic import MailClinic, content_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def promised(settings, tmp_path):
    """Three confirmations, due now; mail is written to files."""
    settings.MAIL_HOST, settings.MAIL_DIR = "", tmp_path / "mail"
    clinic, now = MailClinic(rules=(("reminder", 3, None),)), timezone.now()
    on = (now + timedelta(days=2)).date().isoformat()  # too soon for the reminder
    for _ in range(3):
        outbox.confirm(clinic.booked(on, booked_at=now), now=now)
    return Path(settings.MAIL_DIR)


def said(*words: str) -> str:
    out = StringIO()
    call_command("outbox", *words, stdout=out)
    return out.getvalue()


def test_a_tick_sends_everything_that_is_due(promised):
    tasks.deliver_due()

    files = sorted(file.read_bytes() for file in promised.iterdir())
    assert files == sorted(content_of(message) for message in Message.objects.filter(state="sent"))
    assert len(files) == 3


def test_the_sweep_says_when_mail_is_stuck_and_names_nobody(promised, caplog):
    Message.objects.update(due_at=timezone.now() - timedelta(minutes=6))
    with caplog.at_level(logging.ERROR):
        tasks.sweep()

    assert [record.getMessage() for record in caplog.records] == [
        "3 messages are due and not sent: see `manage.py outbox status`"
    ]


def test_the_operator_sees_pauses_goes_on_and_sends(promised):
    assert said("status").splitlines() == [
        "       3 pending",
        "       0 due but unsent for more than 5 minutes",
    ]
    assert said("park") == "3 messages parked: nothing of them leaves until `outbox unpark`\n"
    assert said("deliver") == "0 sent\n"
    assert said("unpark") == "3 messages wait again\n"
    assert said("deliver") == "3 sent\n"
    assert said("retry-failed") == "0 failed messages wait again\n"


def test_texts_are_loaded_once():
    assert [said("load-texts"), said("load-texts")] == ["24 texts written\n", "0 texts written\n"]
