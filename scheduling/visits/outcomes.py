"""How a performed session went: its outcome, the hold that follows from it, and a review that is cleared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Problem, RuleBroken
from clinic.models import Role, User
from patients.models import Complication
from scheduling import booking, holds, outbox, replanning, roster
from scheduling.models import Outcome, OutcomeComplication, Proposal, Session, SessionState

from .courses import hold


@dataclass(frozen=True, slots=True)
class OutcomeInput:
    """What a clinician records after a session. `complications` are codes; an amount needs a UCUM unit.

    With `clearance` a review is cleared in the same breath: the clinician has looked, and says why to go on.
    """

    result: str
    complications: tuple[str, ...] = ()
    product: str = ""
    batch: str = ""
    amount: Decimal | None = None
    amount_unit: str = ""
    notes: str = ""
    clearance: str = ""


@act
def record_outcome(session: Session, what: OutcomeInput, *, by: User | None, now: datetime) -> Outcome:
    """Record the outcome of a performed session that has none."""
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    session.refresh_from_db()
    if session.state != SessionState.PERFORMED:
        raise booking.NotPossibleNow(
            Problem("session_not_performed", _("Only a performed session has an outcome."), str(session.uid))
        )
    outcome = write_outcome(session, what, by=by, now=now)
    outbox.reconcile(course, now=now)
    return outcome


@act
def clear_review(outcome: Outcome, *, note: str, by: User | None, now: datetime) -> Proposal | None:
    """Say, as a clinician, that the course may go on after a review; the last one cleared lifts the reviews' hold."""
    course = outcome.session.course
    rights.require(by, course.site, *rights.CLINICAL)
    course = roster.lock(course, now=now)
    waiting = Outcome.objects.filter(pk=outcome.pk, result=Outcome.Result.REVIEW, cleared_at=None)
    if by is None or not waiting.update(cleared_at=now, cleared_by=by, cleared_note=note):
        raise booking.NotPossibleNow(Problem("no_review_waiting", _("There is no review to clear here."), "outcome"))
    standing = course.holds.filter(code=holds.REVIEW, lifted_at=None).first()
    others = Outcome.objects.filter(session__course=course, result=Outcome.Result.REVIEW, cleared_at=None)
    if standing is not None and not others.exists():
        return holds.lift(standing, reason=note or _("review cleared"), by=by, now=now)
    outbox.reconcile(course, now=now)
    return replanning.examine(course, reason="review_cleared", by=by, now=now)


def write_outcome(session: Session, what: OutcomeInput, *, by: User | None, now: datetime) -> Outcome:
    """Write an outcome, and hold the course after one not cleared; raise RuleBroken with everything that is wrong."""
    if problems := _against_outcome(session, what, by=by):
        raise RuleBroken(*problems)
    clearance = what.clearance.strip()
    outcome = Outcome.objects.create(
        session=session,
        result=what.result,
        product=what.product,
        batch=what.batch,
        amount=what.amount,
        amount_unit=what.amount_unit,
        notes=what.notes,
        recorded_at=now,
        recorded_by=by,
        cleared_at=now if clearance else None,
        cleared_by=by if clearance else None,
        cleared_note=clearance,
    )
    seen = Complication.objects.filter(code__in=what.complications)
    OutcomeComplication.objects.bulk_create(
        [OutcomeComplication(outcome=outcome, complication=complication) for complication in seen]
    )
    if not clearance:
        _hold_after(session, what.result, by=by, now=now)
    return outcome


def _against_outcome(session: Session, what: OutcomeInput, *, by: User | None) -> list[Problem]:
    problems = []
    if what.result not in Outcome.Result.values:
        problems.append(Problem("result_unknown", _("The result is ok, review or stop."), "outcome.result"))
    if what.amount is not None and (what.amount < 0 or not what.amount_unit):
        problems.append(
            Problem("amount_without_unit", _("Give an amount with its unit, such as mL."), "outcome.amount")
        )
    known = {one.code: one for one in Complication.objects.filter(code__in=what.complications)}
    unexpected = [one.name for one in known.values() if not one.is_expected]
    if what.result == Outcome.Result.OK and unexpected:
        problems.append(
            Problem(
                "complication_needs_review",
                _("Record “review” for %(names)s. Whoever has looked at it already says so, and the course goes on.")
                % {"names": ", ".join(sorted(unexpected))},
                "outcome.result",
            )
        )
    if what.clearance.strip() and (what.result != Outcome.Result.REVIEW or by is None):
        problems.append(
            Problem("nothing_to_clear", _("Only a review is cleared, and by a person."), "outcome.clearance")
        )
    problems += [
        Problem(
            "complication_unknown", _("There is no complication “%(code)s”.") % {"code": code}, "outcome.complications"
        )
        for code in what.complications
        if code not in known
    ]
    if Outcome.objects.filter(session=session).exists():
        problems.append(Problem("outcome_recorded", _("The outcome is recorded already."), str(session.uid)))
    return problems


def _hold_after(session: Session, result: str, *, by: User | None, now: datetime) -> None:
    placed = {
        Outcome.Result.REVIEW: (holds.REVIEW, Role.CLINICIAN, _("A clinician must review the last session first.")),
        Outcome.Result.STOP: (
            holds.STOP,
            Role.PRESCRIBER,
            _("The clinician stopped the course after the last session."),
        ),
    }.get(Outcome.Result(result))
    course = session.course
    if placed is None or course.holds.filter(code=placed[0], lifted_at=None).exists():
        return
    code, role, reason = placed
    hold(course, code, reason, role, by=by, now=now)
