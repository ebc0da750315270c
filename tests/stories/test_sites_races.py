"""Courses are started at a site while others start theirs, or while it is given up: real threads and transactions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection, transaction

from clinic.errors import Conflict
from scheduling import booking, sessions, sites, visits
from scheduling.models import Course
from tests import build


@pytest.fixture
def clinic(transactional_db: None) -> build.Clinic:
    clinic = build.Clinic()
    assert {
        clinic.receptionist,
        clinic.manager,
        clinic.clinician,
    }  # made here: what a test's transaction makes, no other sees
    return clinic


def in_another_transaction(act: Callable[[], object]) -> str:
    """Do something on a connection of its own that waits for nobody for long, and return what became of it."""

    def run() -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
            act()
        except Conflict as refusal:
            return refusal.code
        else:
            return "done"
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def start(clinic: build.Clinic, name: str) -> Course:
    return clinic.course(build.patient(name))


def give_up(clinic: build.Clinic) -> None:
    sites.save(clinic.site, is_active=False, by=clinic.manager, now=clinic.now)


def test_who_starts_a_course_waits_for_nobody_who_starts_another_at_the_site(clinic):
    with transaction.atomic():  # as a file that is brought in
        start(clinic, "Ana First")
        of_another = in_another_transaction(lambda: start(clinic, "Ben Second"))

    assert (of_another, Course.objects.count()) == ("done", 2)


def test_a_site_at_which_a_course_is_being_started_is_not_given_up(clinic):
    with transaction.atomic():
        start(clinic, "Ana First")
        meanwhile = in_another_transaction(lambda: give_up(clinic))
    afterwards = in_another_transaction(lambda: give_up(clinic))

    assert (meanwhile, afterwards) == ("busy", "site_in_use")


def test_at_a_site_that_is_being_given_up_no_course_is_started(clinic):
    with transaction.atomic():
        give_up(clinic)
        meanwhile = in_another_transaction(lambda: start(clinic, "Ana First"))
    afterwards = in_another_transaction(lambda: start(clinic, "Ben Second"))

    assert (meanwhile, afterwards, Course.objects.count()) == ("busy", booking.NotStartable.code, 0)


def test_a_completed_course_is_opened_again_or_its_site_given_up_but_not_both(clinic):
    course = clinic.cleared_course()
    clinic.perform(build.sessions_of(course)[0])
    booking.close_course(course, reason="", by=clinic.clinician, now=clinic.now, completed=True)
    another = partial(
        sessions.add_session, course, "treatment", reason="veins left", by=clinic.clinician, now=clinic.now
    )

    with transaction.atomic():
        another()
        given_up_meanwhile = in_another_transaction(lambda: give_up(clinic))
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
    Course.objects.update(state="completed")
    with transaction.atomic():
        give_up(clinic)
        opened_meanwhile = in_another_transaction(another)

    assert (given_up_meanwhile, opened_meanwhile) == ("busy", "busy")
    assert Course.objects.get().state == "completed"
