"""What looks at the whole clinic every minute, and must not depend on what the database knows of its tables' sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling import outbox
from scheduling.models import Course, Message, Session

from .mail_clinic import NOW, MailClinic, due_for_recall, hold

pytestmark = pytest.mark.django_db
TABLES = re.compile(r'(?:FROM|JOIN) "(\w+)"')


def tables_read(sweep: Callable[[], object]) -> list[list[str]]:
    """Return the tables that each statement reads."""
    with CaptureQueriesContext(connection) as captured:
        sweep()
    return [TABLES.findall(query["sql"]) for query in captured if "SELECT" in query["sql"]]


def held_with_a_visit_near(clinic: MailClinic) -> None:
    (visit,) = clinic.booked("2027-01-08")
    hold(visit.session.course)


@pytest.mark.parametrize(
    ("makes", "sweep", "kind"),
    [
        (held_with_a_visit_near, lambda: outbox.ask_for_calls(NOW), "call_us"),
        (due_for_recall, lambda: outbox.promise_recalls(NOW + timedelta(days=28)), "recall"),
        (due_for_recall, lambda: list(Session.objects.waiting(Course.objects.all()).order_by("pk")), None),
    ],
)
def test_candidates_are_found_a_table_at_a_time_in_as_many_statements_for_many_as_for_one(makes, sweep, kind):
    """Joined or nested, a fresh database may compare every row with every other: minutes instead of milliseconds.

    All is promised already, so what is read is what finds the candidates.
    """
    clinic, read = MailClinic(), []
    for courses in (1, 3):
        while Course.objects.count() < courses:
            makes(clinic)
        sweep()
        read.append(tables_read(sweep))

    assert kind is None or Message.objects.filter(kind=kind).count() == 3
    assert read[0] == read[1]
    assert [tables for tables in read[0] if len(tables) > 1] == []
