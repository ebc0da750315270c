"""Place a hold on a course, and lift it. The only writer of holds."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Role, User

from . import outbox, replanning, roster
from .models import Course, Hold, Proposal

LIFTERS = {
    Role.RECEPTION: rights.FRONT_DESK,
    Role.CLINICIAN: rights.CLINICAL,
    Role.PRESCRIBER: rights.PRESCRIBING,
    Role.MANAGER: rights.MANAGING,
}


class HoldStands(Conflict):
    code = "hold_stands"


class HoldLifted(Conflict):
    code = "hold_lifted"


@act
def place(
    course: Course,
    *,
    code: str,
    reason: str,
    lifted_by_role: Role = Role.CLINICIAN,
    by: User | None,
    now: datetime,
) -> Hold:
    """Hold a course: nothing is booked, no reminder goes out, and visits that are booked stay until a person decides.

    Raise HoldStands when a hold of that code stands already.
    """
    rights.require(by, course.site, *rights.FRONT_DESK)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course must not go on."), "reason"))
    if lifted_by_role not in LIFTERS:
        raise RuleBroken(Problem("role_unknown", _("Choose who may lift the hold."), "lifted_by_role"))
    course = roster.lock(course)
    if course.holds.filter(code=code, lifted_at=None).exists():
        raise HoldStands(Problem("hold_stands", _("The course is on hold for this already."), "code"))
    hold = Hold.objects.create(
        course=course, code=code, reason=reason, lifted_by_role=lifted_by_role, placed_at=now, placed_by=by
    )
    outbox.reconcile(course, now=now)
    return hold


@act
def lift(hold: Hold, *, reason: str, by: User | None, now: datetime) -> Proposal | None:
    """Lift a hold by whom it names; return a proposal when the course's visits should move because of the wait."""
    rights.require(by, hold.course.site, *LIFTERS[Role(hold.lifted_by_role)])
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course may go on."), "reason"))
    course = roster.lock(hold.course)
    if not Hold.objects.filter(pk=hold.pk, lifted_at=None).update(lifted_at=now, lifted_by=by, lift_reason=reason):
        raise HoldLifted(Problem("hold_lifted", _("Someone has lifted this hold already."), "hold"))
    outbox.reconcile(course, now=now)
    return replanning.examine(course, reason="hold_lifted", by=by, now=now)
