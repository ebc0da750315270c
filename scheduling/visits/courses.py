"""The course around a visit: whether it is over or done, what holds it, and the patient's other courses."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from clinic.errors import Problem
from clinic.models import Role, User
from scheduling import booking, holds, replanning, roster
from scheduling.models import Appointment, Course, CourseState, SessionState


def refuse_if_over(course: Course) -> None:
    """Raise NotPossibleNow for a course that is not open."""
    if course.state != CourseState.OPEN:
        raise booking.NotPossibleNow(
            Problem(f"course_{course.state}", _("This course is over. Start a new one."), str(course.uid))
        )


def is_done(course: Course) -> bool:
    """Whether an open course has nothing left: no session, and none that does not count and waits for a decision."""
    if course.sessions.filter(state=SessionState.OPEN).exists():
        return False
    return not course.holds.filter(code=holds.NOT_REPLACED, lifted_at=None).exists()


def hold(course: Course, code: str, reason: str, role: Role, *, by: User | None, now: datetime) -> None:
    """Hold a course until somebody in that role lifts it; its visits stay booked."""
    holds.place_found(course, code=code, reason=reason, lifted_by_role=role, visits=holds.Visits.KEEP, by=by, now=now)


def look_at_other_courses(course: Course, *, reason: str, by: User | None, now: datetime) -> None:
    """Look at the patient's other courses that have visits: a treatment in one keeps away from those in another.

    The patient is locked already, so nobody can be at one of these courses and wait for ours.
    """
    booked = Appointment.objects.live().filter(patient=course.patient_id).exclude(session__course=course)
    for pk in sorted(
        set(booked.filter(session__course__state=CourseState.OPEN).values_list("session__course", flat=True))
    ):
        other = roster.lock(Course(pk=pk, patient_id=course.patient_id), now=now)
        replanning.examine(other, reason=reason, by=by, now=now)
