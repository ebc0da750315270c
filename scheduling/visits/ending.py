"""Courses that end before their time: their visits are cancelled, and nobody is asked about them any more."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Problem, RuleBroken
from clinic.models import User
from patients.models import Patient
from scheduling import booking, outbox, replanning, roster
from scheduling.models import Appointment, CancelReason, Course, FollowUpTask
from scheduling.models.appointments import AskedBy

from .courses import refuse_if_over


@act
def end_course(
    course: Course, *, reason: str, asked_by: AskedBy = AskedBy.CLINIC, by: User | None, now: datetime
) -> Course:
    """End a course for a reason: its visits are cancelled, its open sessions dropped, its messages stopped."""
    rights.require(by, course.site, *rights.FRONT_DESK)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course ends."), "reason"))
    course = roster.lock(course, now=now)
    refuse_if_over(course)
    for appointment in _cancel_all(course, asked_by=asked_by, by=by, now=now):
        outbox.announce_cancellation(appointment, now=now)
    course = _close(course, reason=reason, by=by, now=now)
    outbox.reconcile(course, now=now)
    return course


@act
def end_courses_of(patient: Patient, *, reason: str, by: User | None, now: datetime) -> list[Course]:
    """End every open course of a patient at once, call off what was to be asked by telephone, and tell nobody.

    A primitive of `dossier.record_death`, which holds the patient's lock and has asked for the right.
    """
    ended = []
    courses = roster.lock_courses(Course.objects.open().filter(patient=patient), now=now)
    booking.lock_times_of(courses)
    for locked in courses:
        _cancel_all(locked, asked_by=AskedBy.CLINIC, by=by, now=now)
        ended.append(_close(locked, reason=reason, by=by, now=now))
    to_do = FollowUpTask.objects.open().filter(session__course__patient=patient)
    to_do.update(cancelled_at=now)
    return ended


def _cancel_all(course: Course, *, asked_by: AskedBy, by: User | None, now: datetime) -> list[Appointment]:
    """Cancel the visits of a course that ends, and return them: whether anybody is told is for the act to say."""
    booking.lock_times_of([course])
    found = list(Appointment.objects.live().filter(session__course=course).select_related("session__course"))
    for appointment in found:
        booking.cancel_visit(appointment, reason=CancelReason.COURSE_ENDED, asked_by=asked_by, by=by, now=now)
    return found


def _close(course: Course, *, reason: str, by: User | None, now: datetime) -> Course:
    """End a course whose visits are cancelled; nobody is asked any more where they should have moved."""
    replanning.withdraw(course, by=by, now=now)
    return booking.close_course(course, reason=reason, by=by, now=now)
