"""One line for each event, whatever is in it, and nothing of what a patient's row holds."""

from __future__ import annotations

import logging
import sys

import pytest
from django.db import IntegrityError

from clinic.logs import OneLine
from clinic.models import User


def line_of(message: str, *args: object, error: bool = False) -> str:
    record = logging.LogRecord("area", logging.WARNING, __file__, 1, message, args, sys.exc_info() if error else None)
    record.created, record.msecs = 1_800_000_000, 5
    return OneLine().format(record)


def test_a_line_break_in_a_message_makes_no_second_line():
    assert (
        line_of("said %s", "a\r\n2027 ERROR forged\x1b[0m")
        == "2027-01-15T08:00:00.005Z WARNING area said a 2027 ERROR forged [0m"
    )


def test_an_exception_is_told_without_its_text():
    try:
        raise ValueError("Zoë Émile, born 1980")
    except ValueError:
        line = line_of("it failed", error=True)

    assert line.startswith("2027-01-15T08:00:00.005Z WARNING area it failed | ValueError at test_logs.py:")
    assert "Zoë" not in line


@pytest.mark.django_db
def test_a_refusal_of_the_database_is_told_by_its_code_and_constraint():
    User.objects.bulk_create([User(email="zoe@example.org", name="Zoë", password="x")])
    try:
        User.objects.bulk_create([User(email="zoe@example.org", name="Zoë", password="x")])
    except IntegrityError:
        line = line_of("it failed", error=True)

    assert "IntegrityError 23505 " in line
    assert "zoe@" not in line


def test_a_failed_task_is_told_by_its_name_alone():
    context = {"name": "scheduling.tasks.sweep", "id": "1", "exc": "Zoë", "traceback": "Zoë"}

    line = line_of("Task %(name)s[%(id)s] raised unexpected: %(exc)s\n%(traceback)s", context)

    assert line == "2027-01-15T08:00:00.005Z WARNING area task scheduling.tasks.sweep failed"
